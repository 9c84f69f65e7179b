import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route

from pipelines.contracts import REGISTRY_EVENTS_PATH, Role
from serving.guard.access import ACCESS, OPEN, roles_for
from tests.serving.conftest import World


def test_every_route_has_a_rule(world: World) -> None:
    operations = {
        (method, route.path)
        for route in world.app.routes
        if isinstance(route, APIRoute | Route)
        for method in route.methods or ()
    }
    assert len(operations) > 5
    assert operations - set(ACCESS) == set()
    assert len([r for r in world.app.routes if not isinstance(r, APIRoute | Route)]) == 0


def test_only_state_and_what_is_signed_are_open() -> None:
    assert {operation for operation, roles in ACCESS.items() if roles is OPEN} == {
        ("GET", "/"),
        ("GET", "/docs"),
        ("GET", "/docs.json"),
        ("GET", "/openapi.json"),
        ("GET", "/readyz"),
        ("POST", REGISTRY_EVENTS_PATH),
    }


@pytest.mark.parametrize("path", ["/secret", "/secret/", "/others/7"])
def test_route_without_a_rule_is_refused_to_everybody(world: World, path: str) -> None:
    for route in ("/secret", "/others/{number}"):
        world.app.add_api_route(route, lambda: "told", methods=["GET"])

    response = world.client.get(path)

    assert response.status_code == 403
    assert "in no rule of access" in response.json()["detail"]
    assert "told" not in response.text


def test_rule_of_a_path_with_parameters(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.app.add_api_route("/others/{number}", lambda: "told", methods=["GET"])
    rules = {**ACCESS, ("GET", "/others/{number}"): frozenset({Role.ADMIN})}
    monkeypatch.setattr("serving.guard.access.ACCESS", rules)
    for role, status in ((Role.ADMIN, 200), (Role.PREDICT, 403)):
        response = world.client.get("/others/7", headers=world.headers(role))
        assert response.status_code == status


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/x/../predict_duration"), ("POST", "/predict_duration/"), ("HEAD", "/models"),
     ("POST", "/PREDICT_DURATION"), ("GET", "/nowhere")],
)  # fmt: skip
def test_other_spellings_do_not_lead_past_the_guard(world: World, method: str, path: str) -> None:
    del world.client.headers["authorization"]
    response = world.client.request(method, path, json={"workflow_id": "WF-1"})
    assert response.status_code in {401, 404, 405}
    assert world.log.rows == []


def test_rule_is_found_by_method_too(world: World) -> None:
    scope = {"type": "http", "method": "GET", "path": "/predict_duration", "app": world.app}
    assert roles_for(scope) is OPEN  # the app answers 405
    assert roles_for({**scope, "method": "POST"}) == {Role.PREDICT}
