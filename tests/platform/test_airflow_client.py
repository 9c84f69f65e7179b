import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from pipelines.errors import PlatformError
from pipelines.platform.airflow_client import AirflowClient, TaskInstance, wait_for_dags

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
Answer = Callable[[httpx.Request], httpx.Response]


class FakeAirflow:
    """Answers as recorded from Airflow 3.3, and notes what it was asked."""

    def __init__(self) -> None:
        self.pages: dict[str, Answer] = {}
        self.asked: list[httpx.Request] = []
        self.tokens = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if request.url.path == "/auth/token":
            login = json.loads(request.content)
            if login != {"username": "admin", "password": "s3cret"}:
                return httpx.Response(401, json={"detail": "Invalid credentials"})
            self.tokens += 1
            return httpx.Response(201, json={"access_token": f"t{self.tokens}"})
        if request.headers.get("authorization") != f"Bearer t{self.tokens}":
            return httpx.Response(401, json={"detail": "Invalid JWT token"})
        return self.pages[f"{request.method} {request.url.path}"](request)


@pytest.fixture
def airflow() -> FakeAirflow:
    return FakeAirflow()


@pytest.fixture
def client(airflow: FakeAirflow) -> AirflowClient:
    made = AirflowClient("http://airflow", "s3cret")
    made._http = httpx.Client(base_url="http://airflow", transport=httpx.MockTransport(airflow))
    return made


def dag(dag_id: str, parsed: datetime | None = NOW) -> dict[str, object]:
    return {
        "dag_id": dag_id,
        "is_paused": False,
        "is_stale": False,
        "has_import_errors": False,
        "last_parsed_time": parsed and parsed.isoformat(),
        "fileloc": "/dags/x.py",
    }


def always(body: object, status: int = 200) -> Answer:
    return lambda _: httpx.Response(status, json=body)


def test_an_expired_token_is_renewed_once(client: AirflowClient, airflow: FakeAirflow) -> None:
    airflow.pages["GET /api/v2/dags/a"] = always(dag("a"))
    assert client.dag("a").dag_id == "a"
    airflow.tokens += 1  # what Airflow accepts has changed
    assert client.dag("a").dag_id == "a"
    assert [r.url.path for r in airflow.asked].count("/auth/token") == 2


def test_a_wrong_password_is_said(airflow: FakeAirflow) -> None:
    client = AirflowClient("http://airflow", "guess")
    client._http = httpx.Client(base_url="http://airflow", transport=httpx.MockTransport(airflow))
    with pytest.raises(PlatformError, match=r"401 to POST /auth/token: .*Invalid credentials"):
        client.dags()


def test_what_airflow_answered_is_said(client: AirflowClient, airflow: FakeAirflow) -> None:
    airflow.pages["POST /api/v2/dags/a/dagRuns"] = always({"detail": "param month is bad"}, 400)
    with pytest.raises(PlatformError, match=r"answered 400 to POST .*param month is bad"):
        client.trigger("a", {"month": "May"})


def test_what_only_reads_is_asked_again_for_as_long_as_one_is_patient(
    airflow: FakeAirflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = AirflowClient("http://airflow", "s3cret", patience_s=30)
    client._http = httpx.Client(base_url="http://airflow", transport=httpx.MockTransport(airflow))
    monkeypatch.setattr(client._again, "sleep", lambda _: None)
    answers = iter([(503, {}), (500, {}), (200, dag("a")), (503, {})])

    def answer(_: httpx.Request) -> httpx.Response:
        status, body = next(answers)
        return httpx.Response(status, json=body)

    airflow.pages["GET /api/v2/dags/a"] = answer
    assert client.dag("a").dag_id == "a"
    airflow.pages["POST /api/v2/dags/a/dagRuns"] = answer
    with pytest.raises(PlatformError, match="answered 503 to POST"):
        client.trigger("a")


def test_without_patience_a_fault_is_said_at_once(
    client: AirflowClient, airflow: FakeAirflow
) -> None:
    airflow.pages["GET /api/v2/dags/a"] = always({}, 503)
    with pytest.raises(PlatformError, match="answered 503"):
        client.dag("a")
    assert [r.url.path for r in airflow.asked].count("/api/v2/dags/a") == 1


def test_collections_are_read_to_the_end(client: AirflowClient, airflow: FakeAirflow) -> None:
    everything = [dag(f"d{number}") for number in range(205)]

    def page(request: httpx.Request) -> httpx.Response:
        first = int(request.url.params["offset"])
        return httpx.Response(200, json={"dags": everything[first : first + 100]})

    airflow.pages["GET /api/v2/dags"] = page
    assert [each.dag_id for each in client.dags()] == [each["dag_id"] for each in everything]


@pytest.mark.parametrize("asset", ["lake_history", "x://lake/history"])
def test_an_asset_event_goes_to_the_asset_of_that_name_or_uri(
    client: AirflowClient, airflow: FakeAirflow, asset: str
) -> None:
    assets = [
        {"id": 1, "name": "lake_history_old", "uri": "x://lake/history/old"},
        {"id": 2, "name": "lake_history", "uri": "x://lake/history"},
    ]
    airflow.pages["GET /api/v2/assets"] = always({"assets": assets})
    airflow.pages["POST /api/v2/assets/events"] = always({})
    client.create_asset_event(asset, {"rows": 3})
    assert json.loads(airflow.asked[-1].content) == {"asset_id": 2, "extra": {"rows": 3}}
    with pytest.raises(PlatformError, match="knows no asset 'history'"):
        client.create_asset_event("history")


def test_a_log_shows_the_traceback(client: AirflowClient, airflow: FakeAirflow) -> None:
    task = TaskInstance(
        dag_id="a",
        dag_run_id="manual__2026+00:00",
        task_id="t",
        map_index=-1,
        state="failed",
        try_number=2,
        start_date=None,
        end_date=None,
        duration=None,
    )
    error = {
        "exc_type": "ValueError",
        "exc_value": "no such month",
        "frames": [{"filename": "/dags/a.py", "lineno": 7, "name": "extract"}],
    }
    content = [
        "plain",
        {"timestamp": "2026-01-05", "level": "error", "event": "failed", "error_detail": [error]},
    ]
    path = "/api/v2/dags/a/dagRuns/manual__2026+00:00/taskInstances/t/logs/2"
    airflow.pages[f"GET {path}"] = always({"content": content})
    assert client.task_log(task).splitlines() == [
        "plain",
        "2026-01-05 error failed",
        '  File "/dags/a.py", line 7, in extract',
        "  ValueError: no such month",
    ]


def test_waiting_ends_when_all_dags_are_read(client: AirflowClient, airflow: FakeAirflow) -> None:
    answers = iter([[dag("a")], [dag("a"), dag("b", NOW - timedelta(1))], [dag("a"), dag("b")]])
    airflow.pages["GET /api/v2/importErrors"] = always({"import_errors": []})
    airflow.pages["GET /api/v2/dags"] = lambda _: httpx.Response(200, json={"dags": next(answers)})
    wait_for_dags(client, ["a", "b"], timeout_s=30, since=NOW)
    assert list(answers) == []


def test_a_dag_that_does_not_come_is_named(client: AirflowClient, airflow: FakeAirflow) -> None:
    airflow.pages["GET /api/v2/importErrors"] = always({"import_errors": []})
    airflow.pages["GET /api/v2/dags"] = always({"dags": [dag("a")]})
    with pytest.raises(PlatformError, match=r"not read the DAGs b, c within 0 s"):
        wait_for_dags(client, ["c", "a", "b"], timeout_s=0)


def test_an_import_error_ends_the_wait_with_its_traceback(
    client: AirflowClient, airflow: FakeAirflow
) -> None:
    def fault(when: datetime, trace: str) -> dict[str, object]:
        return {"filename": "a.py", "timestamp": when.isoformat(), "stack_trace": trace}

    old, new = fault(NOW - timedelta(1), "of yesterday"), fault(NOW, "NameError: x")
    airflow.pages["GET /api/v2/dags"] = always({"dags": [dag("a")]})
    airflow.pages["GET /api/v2/importErrors"] = always({"import_errors": [old]})
    wait_for_dags(client, ["a"], timeout_s=0, since=NOW)
    airflow.pages["GET /api/v2/importErrors"] = always({"import_errors": [old, new]})
    with pytest.raises(PlatformError, match=r"cannot import a\.py:\nNameError: x$"):
        wait_for_dags(client, ["a"], timeout_s=0, since=NOW)
