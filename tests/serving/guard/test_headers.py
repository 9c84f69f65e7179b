import base64
import hashlib
import re

import pytest
from fastapi.testclient import TestClient

from serving.guard.headers import SecurityHeaders
from tests.serving.conftest import World


@pytest.fixture
def outside(world: World) -> TestClient:
    return TestClient(SecurityHeaders(world.app), raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("path", "status"), [("/readyz", 200), ("/models", 401), ("/nowhere", 404), ("/models", 500)]
)
def test_every_answer_carries_them(
    world: World, outside: TestClient, path: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = dict(world.client.headers) if status == 500 else {}
    if status == 500:
        monkeypatch.setattr(type(world.app.state.runtime), "models", lambda _: 1 / 0)

    response = outside.get(path, headers=headers)

    assert response.status_code == status
    assert {name: response.headers[name] for name in (
        "x-content-type-options", "x-frame-options", "referrer-policy", "cache-control",
        "content-security-policy",
    )} == {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    }  # fmt: skip
    assert "strict-transport-security" not in response.headers


def test_page_may_run_its_own_script_only(outside: TestClient) -> None:
    page = outside.get("/docs")
    (script,) = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = dict(
        part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";")
    )
    assert policy["script-src"] == f"'self' 'sha256-{digest}'"
    assert policy["default-src"] == "'none'"


def test_browsers_are_bound_to_tls_over_tls_only(world: World) -> None:
    client = TestClient(SecurityHeaders(world.app), base_url="https://testserver")
    assert client.get("/readyz").headers["strict-transport-security"] == "max-age=31536000"
