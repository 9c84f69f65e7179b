import time

import pytest
from mlflow.webhooks.delivery import _generate_hmac_signature

from serving.problems import ProblemError
from serving.registry_events import ForgedEventError, require_signature
from tests.serving.conftest import EVENTS_SECRET, World

BODY = '{"entity": "model_version_alias", "action": "created"}'
NOW = 1_700_000_000.0


def headers(secret: str = EVENTS_SECRET, at: float = NOW, body: str = BODY) -> dict[str, str]:
    timestamp = str(int(at))
    return {
        "x-mlflow-delivery-id": "d-1",
        "x-mlflow-timestamp": timestamp,
        "x-mlflow-signature": _generate_hmac_signature(secret, "d-1", timestamp, body),
    }


def test_what_mlflow_signs_is_believed() -> None:
    require_signature(headers(), BODY.encode(), EVENTS_SECRET, NOW + 299)


@pytest.mark.parametrize(
    ("given", "body", "now"),
    [
        ({}, BODY, NOW),
        (headers("another"), BODY, NOW),
        (headers(), BODY + " ", NOW),
        (headers() | {"x-mlflow-delivery-id": "d-2"}, BODY, NOW),
        (headers() | {"x-mlflow-timestamp": str(int(NOW) + 1)}, BODY, NOW),
        (headers() | {"x-mlflow-signature": "v1,ä"}, BODY, NOW),
        (headers(), BODY, NOW + 301),
        (headers(at=NOW + 400), BODY, NOW),
    ],
    ids=["unsigned", "secret", "body", "delivery", "time", "no ascii", "old", "future"],
)
def test_anything_else_is_forged(given: dict[str, str], body: str, now: float) -> None:
    with pytest.raises(ForgedEventError):
        require_signature(given, body.encode(), EVENTS_SECRET, now)


def test_an_event_lets_the_watch_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pokes: list[int] = []
    monkeypatch.setattr(world.watch, "poke", lambda: pokes.append(1))

    refused = world.client.post("/registry_events", content=BODY)
    too_long = world.client.post("/registry_events", content="x" * 100_001)
    signed = headers(at=time.time())
    taken = world.client.post("/registry_events", content=BODY, headers=signed)

    assert [r.status_code for r in (refused, too_long, taken)] == [401, 401, 204]
    assert refused.headers["content-type"] == "application/problem+json"
    assert pokes == [1]
    assert "/registry_events" not in world.client.get("/openapi.json").json()["paths"]


def test_without_a_secret_there_are_no_events(world: World) -> None:
    object.__setattr__(world.app.state.runtime, "registry_events_secret", None)

    answer = world.client.post("/registry_events", content=BODY, headers=headers(at=time.time()))

    assert answer.status_code == 404
    assert "WORKCAST_REGISTRY_EVENTS_SECRET" in answer.json()["detail"]
    assert issubclass(ForgedEventError, ProblemError)
