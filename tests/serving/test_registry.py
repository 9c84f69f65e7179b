"""How the service asks MLflow which versions there are."""

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pipelines.contracts import Alias, Model
from pipelines.errors import RegistryError
from serving import registry as asking
from serving.registry import MlflowRegistry
from serving.watch import VersionWatch

SEARCH = "/api/2.0/mlflow/registered-models/search"


@dataclass
class FakeServer:
    """What a server answers, and what it was asked."""

    url: str = ""
    models: dict[str, dict[str, str]] = field(default_factory=dict)
    page_length: int = 100
    status: int = 200
    body: bytes | None = None  # in the place of the models
    credentials: str | None = None  # nobody else is answered
    knows_filter: bool = True
    delay_s: float = 0.0
    paths: list[str] = field(default_factory=list)
    questions: list[dict[str, str]] = field(default_factory=list)
    connection_count: int = 0

    def answer(self, question: dict[str, str], credentials: str | None) -> tuple[int, bytes]:
        sleep(self.delay_s)
        if self.credentials not in (None, credentials):
            return 401, b"Who are you?"
        asked = question.get("filter", "")
        if not self.knows_filter and " IN " in asked:
            error = {"error_code": "INVALID_PARAMETER_VALUE", "message": "Invalid clause"}
            return 400, json.dumps(error).encode()
        if self.status != 200 or self.body is not None:
            return self.status, self.body or b""
        names = [name for name in self.models if " IN " not in asked or f"'{name}'" in asked]
        start = int(question.get("page_token", 0))
        length = min(self.page_length, int(question.get("max_results", 100)))
        end = start + length
        page: dict[str, Any] = {"registered_models": [self.told(n) for n in names[start:end]]}
        if end < len(names):
            page["next_page_token"] = str(end)
        return 200, json.dumps(page).encode()

    def told(self, name: str) -> dict[str, Any]:
        """As MLflow tells of a model: what is empty is left out."""
        aliases = [{"alias": a, "version": v} for a, v in self.models[name].items()]
        return {"name": name, "creation_timestamp": 1} | ({"aliases": aliases} if aliases else {})


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            fake.connection_count += 1
            super().setup()

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            question = {name: values[0] for name, values in parse_qs(url.query).items()}
            fake.paths.append(url.path)
            fake.questions.append(question)
            status, body = fake.answer(question, self.headers["authorization"])
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as http:
        fake.url = f"http://127.0.0.1:{http.server_port}"
        thread = Thread(target=http.serve_forever, args=[0.01])
        thread.start()
        yield fake
        http.shutdown()
        thread.join()


def expected(**named: dict[Alias, str]) -> dict[Model, dict[Alias, str]]:
    return {model: named.get(model.value, {}) for model in Model}


def test_every_alias_of_every_model_is_one_request(server: FakeServer, tmp_path: Path) -> None:
    server.models = {
        "delay_risk": {"champion": "2", "challenger": "3", "Monday": "1"},
        "assignee": {"challenger": "1"},
        "template": {},
        "somebody else's": {"champion": "9"},
    }
    registry = MlflowRegistry(server.url, tmp_path)
    for _ in range(3):
        assert registry.aliases() == expected(
            delay_risk={Alias.CHAMPION: "2", Alias.CHALLENGER: "3"},
            assignee={Alias.CHALLENGER: "1"},
        )
    assert server.paths == [SEARCH] * 3
    assert server.connection_count == 1
    assert all(f"'{model}'" in server.questions[0]["filter"] for model in Model)


def test_a_look_is_one_request(server: FakeServer, tmp_path: Path) -> None:
    watch = VersionWatch(MlflowRegistry(server.url, tmp_path), lambda *_: None)
    watch.look()
    watch.look()
    assert server.paths == [SEARCH] * 2
    assert not watch.is_registry_away
    server.status = 503
    watch.look()
    assert len(server.paths) == 3
    assert watch.is_registry_away


def test_an_empty_registry_has_no_versions(server: FakeServer, tmp_path: Path) -> None:
    server.body = b"{}"  # so MLflow says it
    assert MlflowRegistry(server.url, tmp_path).aliases() == expected()


def test_it_turns_the_page(server: FakeServer, tmp_path: Path) -> None:
    server.models = {model.value: {"champion": str(n)} for n, model in enumerate(Model)}
    server.page_length = 4
    found = MlflowRegistry(server.url, tmp_path).aliases()
    assert found == {model: {Alias.CHAMPION: str(n)} for n, model in enumerate(Model)}
    assert [question.get("page_token") for question in server.questions] == [None, "4"]


def test_one_that_asks_who_we_are_is_asked_by_the_client(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.models = {"delay_risk": {"champion": "2", "Monday": "1"}}
    server.credentials = f"Basic {b64encode(b'ann:secret').decode()}"
    registry = MlflowRegistry(server.url, tmp_path)
    with pytest.raises(RegistryError, match="refused"):
        registry.aliases()
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    server.paths.clear()

    assert registry.aliases() == expected(delay_risk={Alias.CHAMPION: "2"})
    assert server.paths == [SEARCH] * 2


def test_one_that_does_not_know_the_filter_is_asked_for_all(
    server: FakeServer, tmp_path: Path
) -> None:
    server.models = {f"other {n}": {"champion": "9"} for n in range(7)}
    server.models |= {"delay_risk": {"champion": "2"}}
    server.knows_filter = False
    server.page_length = 5
    found = MlflowRegistry(server.url, tmp_path).aliases()
    assert found == expected(delay_risk={Alias.CHAMPION: "2"})
    assert len(server.paths) == 3  # refused, and two pages


@pytest.mark.parametrize("status", [500, 503])
def test_a_registry_without_its_database_is_away(
    server: FakeServer, tmp_path: Path, status: int
) -> None:
    server.status = status
    with pytest.raises(RegistryError, match=f"answers {status}: is its database there"):
        MlflowRegistry(server.url, tmp_path).aliases()
    assert server.paths == [SEARCH]


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b'{"registered_models": [1]}', b"[]"])
def test_another_server_is_no_empty_registry(
    server: FakeServer, tmp_path: Path, body: bytes
) -> None:
    server.body = body
    with pytest.raises(RegistryError, match="no list of models; check WORKCAST_MLFLOW_URL"):
        MlflowRegistry(server.url, tmp_path).aliases()


def test_a_registry_that_is_not_there_is_away(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="does not answer"):
        MlflowRegistry("http://127.0.0.1:1", tmp_path).aliases()


def test_a_registry_that_hangs_is_away(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_ANSWER_SECONDS", 0.1)
    server.delay_s = 1.0
    with pytest.raises(RegistryError, match=r"does not answer \(timed out\)"):
        MlflowRegistry(server.url, tmp_path).aliases()


def test_no_version_is_waited_for_while_the_registry_is_away(tmp_path: Path) -> None:
    since = monotonic()
    with pytest.raises(RegistryError, match="does not answer"):
        MlflowRegistry("http://127.0.0.1:1", tmp_path).load(Model.ASSIGNEE, "1")
    assert monotonic() - since < 5  # MLflow's own client tries again for minutes
