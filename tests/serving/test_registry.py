"""How the service asks MLflow which versions there are."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from pipelines.contracts import Alias, Model
from pipelines.errors import RegistryError
from serving.registry import MlflowRegistry


class Answers(BaseHTTPRequestHandler):
    """Answers everything, and counts connections."""

    protocol_version = "HTTP/1.1"
    status = 200
    connection_count = 0

    def setup(self) -> None:
        type(self).connection_count += 1
        super().setup()

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[tuple[type[Answers], str]]:
    handler = type("OwnAnswers", (Answers,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = Thread(target=http.serve_forever)
        thread.start()
        yield handler, f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> dict[Alias, str]:
    versions = {Alias.CHAMPION: "3"}
    monkeypatch.setattr("serving.registry.alias_versions", lambda *_: versions)
    return versions


def test_it_asks_over_and_over_with_one_client(
    server: tuple[type[Answers], str], named: dict[Alias, str], tmp_path: Path
) -> None:
    handler, url = server
    registry = MlflowRegistry(url, tmp_path)
    assert [registry.aliases(model) for model in Model] == [named] * len(Model)
    assert handler.connection_count == 1


@pytest.mark.usefixtures("named")
def test_a_registry_without_its_database_is_away(
    server: tuple[type[Answers], str], tmp_path: Path
) -> None:
    handler, url = server
    handler.status = 500
    with pytest.raises(RegistryError, match="answers 500: is its database there"):
        MlflowRegistry(url, tmp_path).aliases(Model.ASSIGNEE)


@pytest.mark.usefixtures("named")
def test_a_registry_that_is_not_there_is_away(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="does not answer"):
        MlflowRegistry("http://127.0.0.1:1", tmp_path).aliases(Model.ASSIGNEE)
