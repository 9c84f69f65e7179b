import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from sqlalchemy import URL

from pipelines.platform.health import AirflowHealth, HttpHealth, PostgresHealth, ValkeyHealth

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


class _Pages(BaseHTTPRequestHandler):
    answers: dict[str, tuple[int, object]]

    def do_GET(self) -> None:
        status, body = self.answers[self.path]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def pages() -> Iterator[tuple[str, dict[str, tuple[int, object]]]]:
    """A server and what it answers by path."""
    _Pages.answers = {}
    with HTTPServer(("127.0.0.1", 0), _Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", _Pages.answers
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "fault"), [(200, None), (204, None), (404, "answers 404"), (503, "answers 503")]
)
def test_a_page_is_healthy_below_400(
    pages: tuple[str, dict[str, tuple[int, object]]], status: int, fault: str | None
) -> None:
    url, answers = pages
    answers["/livez"] = (status, {})
    found = HttpHealth(f"{url}/livez")(NOW)
    assert found is None if fault is None else fault in (found or "")


@pytest.mark.parametrize(
    ("status", "beat", "fault"),
    [
        ("healthy", NOW + timedelta(seconds=1), None),
        # The heartbeat of a process that was killed before this one started.
        ("healthy", NOW - timedelta(seconds=1), "no heartbeat of scheduler since it started"),
        ("healthy", None, "no heartbeat of scheduler since it started"),
        ("unhealthy", NOW + timedelta(seconds=1), "Airflow says scheduler is unhealthy"),
    ],
)
def test_a_scheduler_must_have_beaten_since_its_start(
    pages: tuple[str, dict[str, tuple[int, object]]],
    status: str,
    beat: datetime | None,
    fault: str | None,
) -> None:
    url, answers = pages
    part = {"status": status, "latest_scheduler_heartbeat": beat and beat.isoformat()}
    answers["/api/v2/monitor/health"] = (200, {"scheduler": part})
    assert AirflowHealth(url, "scheduler")(NOW) == fault


def test_servers_that_answer_are_healthy(postgres_url: URL, valkey_url: str) -> None:
    assert PostgresHealth(postgres_url)(NOW) is None
    assert ValkeyHealth(valkey_url)(NOW) is None


def test_servers_that_do_not_are_not(free_port: int) -> None:
    assert HttpHealth(f"http://127.0.0.1:{free_port}/")(NOW) is not None
    assert ValkeyHealth(f"redis://127.0.0.1:{free_port}/0")(NOW) is not None
