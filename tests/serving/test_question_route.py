"""Questions that go from bytes to their model in one step, and those that are left to FastAPI."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydantic import BaseModel

from serving.question_route import QuestionRoute


class Sum(BaseModel):
    """A question of the test's."""

    terms: list[int]


@pytest.fixture
def by_fastapi(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the requests that FastAPI's own handler was asked about."""
    paths: list[str] = []
    own: Callable[[APIRoute], Any] = APIRoute.get_route_handler

    def noting(route: APIRoute) -> Any:
        handle = own(route)

        async def noted(request: Request) -> Response:
            paths.append(request.url.path)
            response: Response = await handle(request)
            return response

        return noted

    monkeypatch.setattr(APIRoute, "get_route_handler", noting)
    return paths


@pytest.fixture
def client(by_fastapi: list[str]) -> TestClient:
    app = FastAPI()
    app.router.route_class = QuestionRoute

    @app.post("/sum")
    async def add(question: Sum, request: Request) -> Response:
        return Response(f"{request.method} {sum(question.terms)}")

    @app.post("/plain")
    def plain(question: Sum) -> int:
        return sum(question.terms)

    @app.get("/nothing")
    async def nothing() -> str:
        return "nothing"

    return TestClient(app)


def test_a_sound_question_is_not_parsed_by_fastapi(
    client: TestClient, by_fastapi: list[str]
) -> None:
    answer = client.post("/sum", json={"terms": [1, 2]})
    assert (answer.status_code, answer.text, by_fastapi) == (200, "POST 3", [])


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/x+json"])
def test_json_under_another_name_is_read_by_fastapi(
    client: TestClient, by_fastapi: list[str], kind: str
) -> None:
    answer = client.post("/sum", content=b'{"terms": [1, 2]}', headers={"content-type": kind})
    assert (answer.status_code, answer.text, by_fastapi) == (200, "POST 3", ["/sum"])


@pytest.mark.parametrize("body", [b"", b"{", b'{"terms": "a"}', b"\xff"])
def test_what_is_wrong_is_said_by_fastapi(
    client: TestClient, by_fastapi: list[str], body: bytes
) -> None:
    answer = client.post("/sum", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code in {400, 422}, by_fastapi) == (True, ["/sum"])


def test_endpoints_of_another_form_stay_fastapis(client: TestClient, by_fastapi: list[str]) -> None:
    assert client.post("/plain", json={"terms": [1, 2]}).json() == 3
    assert client.get("/nothing").json() == "nothing"
    assert by_fastapi == ["/plain", "/nothing"]
