import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from serving.guard.keys import IssuerKeys, usable_keys
from serving.guard.refusals import InvalidTokenError
from tests.serving.guard.conftest import Door, Issuer, open_door


@pytest.fixture
def http(issuer: Issuer) -> Iterator[tuple[str, list[int]]]:
    """The JWKS over HTTP; its answers can be told to fail, and are counted."""
    answers: list[int] = []

    class Serve(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers.append(200 if issuer.jwks.exists() else 503)
            self.send_response(answers[-1])
            self.end_headers()
            if issuer.jwks.exists():
                self.wfile.write(issuer.jwks.read_bytes())

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Serve)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/jwks", answers
    server.shutdown()
    server.server_close()


def test_new_key_is_found_at_once_and_an_old_one_forgotten(issuer: Issuer, door: Door) -> None:
    old = issuer.token()
    door.ask(old)
    issuer.add("two")

    assert door.ask(issuer.token("two"))
    assert door.ask(old)  # still among the published keys
    del issuer.keys["one"]
    issuer.publish()
    door.keys.look()

    assert door.ask(issuer.token("two"))
    with pytest.raises(InvalidTokenError, match="no key"):
        door.ask(old)  # remembered or not


def test_made_up_key_ids_do_not_make_the_issuer_busy(
    issuer: Issuer, http: tuple[str, list[int]]
) -> None:
    url, answers = http
    keys = IssuerKeys(url, refetch_s=3_600)

    async def ask_many() -> list[bool]:
        found = await asyncio.gather(*(keys.find(f"made up {i}") for i in range(50)))
        known = await keys.find("one")
        return [key is not None for key in [*found, known]]

    assert asyncio.run(ask_many()) == [False] * 50 + [True]
    assert answers == [200]


def test_keys_outlive_an_issuer_that_is_away(issuer: Issuer, http: tuple[str, list[int]]) -> None:
    url, answers = http
    door = open_door(issuer)
    door.keys._url, door.keys._http = url, IssuerKeys(url)._http
    token, content = issuer.token(), issuer.jwks.read_bytes()
    issuer.jwks.unlink()
    door.keys.look()

    assert answers == [503]
    assert "503" in (door.keys.missing or "")
    assert door.ask(token)
    for wrong in (b"no JSON", b"[]", b'{"keys": 1}', b"\xff"):
        issuer.jwks.write_bytes(wrong)
        door.keys.look()
        assert door.keys.missing
        assert door.ask(token)
    issuer.jwks.write_bytes(content)
    door.keys.look()
    assert door.keys.missing is None


def test_nothing_read_yet_is_said(tmp_path: Path) -> None:
    keys = IssuerKeys((tmp_path / "not there").as_uri())
    assert "not been read yet" in (keys.missing or "")
    keys.look()
    assert "cannot be read" in (keys.missing or "")


def test_keys_for_other_uses_are_left_out(issuer: Issuer) -> None:
    issuer.add("two")
    issuer.add("rsa", "RS512")
    document = json.loads(issuer.jwks.read_bytes())
    document["keys"][1]["use"] = "enc"
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "secret", "alg": "HS256"}
    nameless = {name: v for name, v in document["keys"][0].items() if name != "kid"}
    document["keys"] += [secret, nameless, {"kty": "unheard of"}, 7, {}]

    assert set(usable_keys(document)) == {"one"}
