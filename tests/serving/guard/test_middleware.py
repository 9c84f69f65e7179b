import asyncio
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY

from pipelines.contracts import Role
from pipelines.monitoring.pseudonym import open_pseudonyms
from pipelines.platform.issuer import rotate_issuer
from pipelines.platform.token import issue_token
from pipelines.store.valkey import Valkey
from serving.guard.rates import Rates
from tests.serving.conftest import World

JSON = {"content-type": "application/json"}
ONE = {"workflow_id": "WF-1"}
ROLES = {
    ("POST", "/predict_duration"): {Role.PREDICT},
    ("POST", "/assess_risk"): {Role.PREDICT},
    ("GET", "/models"): {Role.PREDICT, Role.ADMIN},
}


def problem(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return dict(response.json())


def refusals(reason: str) -> float:
    return REGISTRY.get_sample_value("workcast_refusals_total", {"reason": reason}) or 0


def change(world: World, **parts: Any) -> None:
    runtime = world.app.state.runtime
    world.app.state.runtime = replace(runtime, guard=replace(runtime.guard, **parts))


@pytest.mark.parametrize(("method", "path"), list(ROLES))
@pytest.mark.parametrize("role", list(Role))
def test_role_opens_what_it_should(world: World, method: str, path: str, role: Role) -> None:
    response = world.client.request(method, path, json=ONE, headers=world.headers(role))

    if role in ROLES[method, path]:
        assert response.status_code == 200
    else:
        content = problem(response, 403)
        wanted = sorted(ROLES[method, path])
        assert content["needs_one_of"] == wanted
        assert response.headers["www-authenticate"] == (
            f'Bearer realm="workcast", error="insufficient_scope", scope="{" ".join(wanted)}"'
        )
        assert world.log.rows == []


def test_without_a_token(world: World) -> None:
    del world.client.headers["authorization"]
    before = refusals("unauthorized")

    response = world.client.post("/predict_duration", json=ONE)

    assert problem(response, 401)["type"] == "urn:problem-type:workcast:unauthorized"
    assert response.headers["www-authenticate"] == 'Bearer realm="workcast"'
    assert (refusals("unauthorized"), world.log.rows) == (before + 1, [])
    for path in ("/readyz", "/docs", "/openapi.json"):
        assert world.client.get(path).status_code == 200


def test_wrong_token_is_told_why(world: World) -> None:
    token = world.headers(Role.PREDICT)["Authorization"]
    response = world.client.post(
        "/predict_duration", json=ONE, headers={"Authorization": token[:-6] + "AAAAAA"}
    )
    assert problem(response, 401)["detail"] == "The signature of the token is wrong"
    assert response.headers["www-authenticate"] == (
        'Bearer realm="workcast", error="invalid_token", '
        'error_description="The signature of the token is wrong"'
    )


def test_refused_before_the_question_is_read(world: World) -> None:
    del world.client.headers["authorization"]
    assert world.client.post("/predict_duration", content=b"{").status_code == 401


def test_rotation_lets_old_tokens_in_and_revocation_does_not(world: World) -> None:
    old = world.headers(Role.PREDICT)
    rotate_issuer(world.settings)
    new = world.headers(Role.PREDICT)
    assert old != new
    for headers in (new, old):
        assert world.client.get("/models", headers=headers).status_code == 200
    rotate_issuer(world.settings, revoke=True)
    world.guard.keys.look()
    for headers in (new, old):
        assert world.client.get("/models", headers=headers).status_code == 401
    assert world.client.get("/models", headers=world.headers(Role.PREDICT)).status_code == 200


def test_rate_limit_of_two_clients(world: World) -> None:
    change(world, rates=Rates(Valkey("redis://127.0.0.1:1/0"), 2))
    ann, bob = (world.headers(Role.PREDICT, subject=name) for name in ("ann", "bob"))

    answers = [world.client.post("/assess_risk", json=ONE, headers=ann) for _ in range(3)]

    assert [a.status_code for a in answers] == [200, 200, 429]
    assert [a.headers["ratelimit-remaining"] for a in answers] == ["1", "0", "0"]
    assert {a.headers["ratelimit-limit"] for a in answers} == {"2"}
    content = problem(answers[-1], 429)
    assert answers[-1].headers["retry-after"] == str(content["retry_after_s"])
    assert 0 < content["retry_after_s"] <= 120
    assert world.client.post("/assess_risk", json=ONE, headers=bob).status_code == 200
    # Another token of the same client is no way round it.
    again = world.headers(Role.PREDICT, Role.ADMIN, subject="ann")
    assert world.client.get("/models", headers=again).status_code == 429
    assert len(world.log.rows) == 3


def chunks(size: int, count: int, sent: list[int]) -> Iterator[bytes]:
    for _ in range(count):
        sent.append(size)
        yield b" " * size


def test_large_bodies(world: World) -> None:
    change(world, max_request_bytes=2_000)
    for content in (b" " * 2_001, b'{"workflow_id": "' + b"x" * 3_000 + b'"}'):
        response = world.client.post("/predict_duration", content=content)
        assert problem(response, 413)["type"] == "urn:problem-type:workcast:body-too-large"
        assert response.headers["connection"] == "close"
    fitting = b'{"workflow_id": "WF-1"}'.ljust(2_000)
    assert world.client.post("/predict_duration", content=fitting, headers=JSON).status_code == 200


def test_large_body_that_was_announced_is_not_even_read(world: World) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body is read")

    async def send(message: Any) -> None:
        sent.append(message)

    length = str(world.guard.max_request_bytes + 1)
    headers = {**world.headers(Role.PREDICT), "Content-Length": length}
    scope = {
        "type": "http", "method": "POST", "path": "/predict_duration", "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    asyncio.run(world.app(scope, receive, send))
    assert sent[0]["status"] == 413


def test_large_body_that_was_not_announced(world: World) -> None:
    change(world, max_request_bytes=2_000)
    for announced in ({}, {"content-length": "10"}):
        response = world.client.post(
            "/predict_duration", content=chunks(500, 9, []), headers=announced
        )
        assert "2000 bytes" in problem(response, 413)["detail"]
    parts = iter([b'{"workflow_id":', b' "WF-1"}', b" " * 1_900])
    taken = world.client.post("/predict_duration", content=parts, headers=JSON)
    assert taken.status_code == 200


def test_answer_that_takes_too_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    change(world, request_timeout_s=0.05)
    may_end, read = threading.Event(), world.store.read

    def slow(*asked: Any) -> Any:
        assert may_end.wait(30)
        return read(*asked)

    monkeypatch.setattr(world.store, "read", slow)
    # The test client returns when the app does: let it, once the guard has answered.
    before = refusals("timed_out")
    threading.Timer(0.5, may_end.set).start()
    response = world.client.post("/predict_duration", json=ONE)
    assert problem(response, 504)["type"] == "urn:problem-type:workcast:timed-out"
    assert response.headers["retry-after"] == "5"
    assert refusals("timed_out") == before + 1
    assert [entry.details["status"] for entry in world.audit.rows] == [504]
    change(world, request_timeout_s=20)
    assert world.client.post("/predict_duration", json=ONE).status_code == 200


def test_record_says_who_asked_what(world: World) -> None:
    ann = world.headers(Role.PREDICT, Role.FEEDBACK, subject="ann@example.org")
    one = world.client.post("/predict_duration", json=ONE, headers=ann).json()
    many = {"workflow_ids": ["WF-1", "no", "WF-2"]}
    two = world.client.post("/assess_risk", json=many, headers=ann).json()
    world.client.post("/assess_risk", json={"workflow_id": "no"}, headers=ann)
    world.client.get("/models", headers=world.headers(Role.FEEDBACK, subject="bob"))
    world.client.get("/readyz")

    actors = [open_pseudonyms(world.settings).of(name) for name in ("ann@example.org", "bob")]
    told = [
        (e.actor, e.action, e.subject, e.details["status"], e.details["prediction_count"])
        for e in world.audit.rows
    ]
    assert told == [
        (actors[0], "POST /predict_duration", one["prediction_id"], 200, 1),
        (actors[0], "POST /assess_risk", two["answers"][0]["prediction_id"], 200, 2),
        (actors[0], "POST /assess_risk", "", 404, 0),
        (actors[1], "GET /models", "", 403, 0),
    ]
    assert world.audit.rows[0].details["roles"] == ["feedback", "predict"]
    assert all(0 < entry.details["latency_ms"] < 60_000 for entry in world.audit.rows)
    assert "ann" not in str(world.audit.rows)


def test_app_may_know_the_caller(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def me(request: Request) -> str:
        return str(request.state.caller.pseudonym)

    world.app.add_api_route("/me", me)
    monkeypatch.setattr("serving.guard.access.ACCESS", {("GET", "/me"): {Role.PREDICT}})
    told = world.client.get("/me", headers=world.headers(Role.PREDICT, subject="ann"))
    assert told.json() == open_pseudonyms(world.settings).of("ann")


def test_failure_is_on_record(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.store, "read", lambda *_: 1 / 0)
    assert world.client.post("/assess_risk", json=ONE).status_code == 500
    assert [entry.details["status"] for entry in world.audit.rows] == [500]


def test_word_in_an_id_is_no_prediction(world: World) -> None:
    response = world.client.post("/assess_risk", json={"workflow_id": '"prediction_id":"x'})
    assert response.status_code == 404
    assert world.audit.rows[0].details["prediction_count"] == 0


def test_no_token_in_any_log_or_record(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    good = issue_token(world.settings, [Role.PREDICT], "ann")
    tokens = [
        good,
        good[:-8] + "AAAAAAAA",
        "bm8.aXRpc25vdA.dG9rZW4",
        issue_token(world.settings, [], "b"),
    ]
    for token in tokens:
        response = world.client.post(
            "/assess_risk", json=ONE, headers={"Authorization": f"Bearer {token}"}
        )
        told = response.text + str(response.headers)
        assert token not in told
        assert token.split(".")[1] not in told
    told = caplog.text + str(world.audit.rows) + str(world.log.rows)
    for token in tokens:
        for part in token.split("."):
            assert part not in told or len(part) < 8
    assert "/assess_risk" in told


def test_openapi_shows_tokens_and_refusals(world: World) -> None:
    spec = world.client.get("/openapi.json").json()

    (scheme,) = spec["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    for (method, path), roles in ROLES.items():
        operation = spec["paths"][path][method.lower()]
        assert operation["security"] == [{"token": [role]} for role in sorted(roles)]
        assert {"401", "403", "413", "429", "504"} <= set(operation["responses"])
    assert "security" not in spec["paths"]["/readyz"]["get"]
    assert spec == world.client.get("/openapi.json").json()


def test_only_http_is_watched(world: World) -> None:
    with TestClient(world.app) as client:  # its lifespan passes
        assert client.get("/readyz").status_code == 200
