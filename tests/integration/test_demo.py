"""From nothing to answers through the real scheduler, on the simulated company."""

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx
import mlflow
import pandas as pd
import pytest
from rich.console import Console
from sqlalchemy import select, text

from pipelines.contracts import WORKFLOW_MODELS, DagId, Model, Role
from pipelines.platform.airflow_client import AirflowClient
from pipelines.platform.answers import ask_service
from pipelines.platform.demo import learn
from pipelines.platform.intake import simulate_history
from pipelines.platform.processes import find_processes
from pipelines.platform.supervise import down, up
from pipelines.platform.token import bearer
from pipelines.registry.figures import version_figures
from pipelines.settings import Settings
from pipelines.source.connect import open_engine
from pipelines.source.tables import drift_reports, predictions
from tests.infra.test_monitoring import WORD, asked, rules
from tests.integration.watching import prometheus, statsd_exporter, store_exporters

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1500)]

CONSOLE = Console(quiet=True)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def statsd() -> Iterator[tuple[int, str]]:
    """Where Airflow sends its metrics, and the page that has them afterwards."""
    (port,) = free_ports(1)
    with statsd_exporter(Path(mkdtemp(prefix="workcast-statsd-")), port) as page:
        yield port, page


@pytest.fixture(scope="module")
def learned(statsd: tuple[int, str]) -> Iterator[tuple[Settings, datetime]]:
    """A platform that has learned from a simulated company up to a past moment."""
    names = ("airflow", "mlflow", "service", "evidently", "valkey")
    ports = {f"{n}_port": p for n, p in zip(names, free_ports(len(names)), strict=True)}
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        home=Path(mkdtemp(prefix="workcast-demo-")),
        statsd_address=f"127.0.0.1:{statsd[0]}",
        **ports,
    )
    try:
        up(settings, console=CONSOLE)
        simulate_history(settings, CONSOLE, task_count=20_000)
        yield settings, learn(settings, CONSOLE)
    finally:
        down(settings)
        assert find_processes(settings.home) == []


def test_answers_are_the_registered_models(learned: tuple[Settings, datetime]) -> None:
    settings, as_of = learned
    rows = ask_service(settings, as_of, CONSOLE)
    assert len(rows) >= 5
    assert {row.as_of for row in rows} == {as_of}
    engine = open_engine(settings)
    deadline = datetime.now(UTC).timestamp() + 30
    while datetime.now(UTC).timestamp() < deadline:
        with engine.connect() as connection:
            logged = pd.read_sql(select(predictions), connection)
        if len(logged) >= 2 * len(rows):
            break
    engine.dispose()
    mlflow.set_tracking_uri(settings.mlflow)
    answered = {row.workflow_id: row for row in rows}
    for model, column in (
        (Model.REMAINING_TIME, "remaining_time_s"),
        (Model.DELAY_RISK, "late_probability"),
    ):
        champion = mlflow.pyfunc.load_model(f"models:/{model}@champion")
        of_model = logged[logged["model_name"] == model]
        assert len(of_model) == len(rows)
        names = champion.metadata.get_input_schema().input_names()
        expected = champion.predict(pd.DataFrame(of_model["features"].tolist())[names])[column]
        got = [getattr(answered[workflow_id], column) for workflow_id in of_model["workflow_id"]]
        assert got == pytest.approx(expected.tolist(), rel=1e-6)


def test_models_beat_their_medians_on_the_later_period(
    learned: tuple[Settings, datetime],
) -> None:
    settings, _ = learned
    (duration,) = version_figures(Model.REMAINING_TIME, settings.mlflow)
    assert duration.metrics["mae_hours"] < duration.metrics["baseline_median_mae_hours"]
    (risk,) = version_figures(Model.DELAY_RISK, settings.mlflow)
    assert risk.metrics["auc"] > 0.55


def test_every_dag_ran_once_and_left_its_pages(learned: tuple[Settings, datetime]) -> None:
    settings, _ = learned
    with AirflowClient.of(settings) as client:
        runs = client.runs(datetime(2020, 1, 1, tzinfo=UTC))
    run_counts = Counter(run.dag_id for run in runs)
    # Once for the features, and once more for the first champions.
    assert run_counts.pop(DagId.RAISE_ALERTS) in {1, 2}
    assert run_counts == Counter(set(DagId) - {DagId.RAISE_ALERTS})
    assert {run.state for run in runs} == {"success"}
    projects = httpx.get(f"{settings.evidently}/api/projects").json()
    assert {p["name"] for p in projects} == {f"Workcast {model}" for model in WORKFLOW_MODELS}
    assert len(list(settings.reports_dir.glob("*.html"))) == len(WORKFLOW_MODELS)
    engine = open_engine(settings)
    with engine.connect() as connection:
        found = connection.execute(select(drift_reports)).all()
    engine.dispose()
    assert {(row.model_name, row.model_version) for row in found} == {
        (model.value, "1") for model in WORKFLOW_MODELS
    }
    for row in found:
        assert row.drifted_ratio == len(row.drifted_columns) / row.compared_column_count
        assert (row.mae_current is not None) == (row.model_name == Model.REMAINING_TIME)
    docs = settings.docs_dir / "uncommitted" / "data_docs" / "local_site" / "index.html"
    assert "history_task_events" in docs.read_text()
    assert httpx.get(f"{settings.mlflow}/health").is_success


def test_nothing_recorded_after_the_moment_reached_the_lake(
    learned: tuple[Settings, datetime],
) -> None:
    settings, as_of = learned
    engine = open_engine(settings)
    with engine.connect() as connection:
        later = text("SELECT count(*) FROM workflow.task_events WHERE recorded_at >= :as_of")
        assert connection.execute(later, {"as_of": as_of}).scalar_one() > 100
    engine.dispose()
    for folder, column in (
        ("history/task_events", "recorded_at"),
        ("features", "created_timestamp"),
    ):
        files = Path(settings.lake, folder).rglob("part.parquet")
        newest = max(pd.read_parquet(file, columns=[column])[column].max() for file in files)
        assert newest < as_of


@pytest.fixture(scope="module")
def service(learned: tuple[Settings, datetime]) -> Iterator[httpx.Client]:
    settings, _ = learned
    headers = bearer(settings, list(Role), "test")
    with httpx.Client(base_url=settings.service, headers=headers, timeout=60) as client:
        wait_until(lambda: all(m["version"] for m in client.get("/models").json()["models"]))
        # The history of who did what is replayed behind the first answers.
        wait_until(lambda: client.post("/recommend_assignees", json=some_step(settings)).is_success)
        yield client


def wait_until(is_so: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.5)


def open_tasks(settings: Settings, count: int) -> list[dict[str, str]]:
    """Tasks that were open, and known, at the moment of the features."""
    engine = open_engine(settings)
    statement = text(
        "SELECT t.task_id, t.workflow_id, t.activity FROM workflow.tasks t "
        "JOIN workflow.workflows w USING (workflow_id) "
        "JOIN workcast.watermarks m ON m.stage = 'features' "
        "WHERE t.created_at < m.watermark_at "
        "AND coalesce(w.closed_at, 'infinity') > m.watermark_at "
        "AND coalesce(t.completed_at, t.cancelled_at, 'infinity') > m.watermark_at "
        "ORDER BY t.task_id LIMIT :count"
    )
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(statement, {"count": count}).mappings()]
    engine.dispose()
    assert len(rows) == count
    return rows


def some_step(settings: Settings) -> dict[str, object]:
    (task,) = open_tasks(settings, 1)
    return {"workflow_id": task["workflow_id"], "activity": task["activity"]}


def test_every_model_was_trained_judged_and_promoted(
    learned: tuple[Settings, datetime],
) -> None:
    settings, _ = learned
    for model in Model:
        (figures,) = version_figures(model, settings.mlflow)
        assert figures.decision.startswith("promoted"), figures.decision


def test_who_should_do_a_task_and_how_long_it_takes(
    learned: tuple[Settings, datetime], service: httpx.Client
) -> None:
    settings, as_of = learned
    (task,) = open_tasks(settings, 1)
    asked = {"task_id": task["task_id"], "count": 5}
    answer = service.post("/recommend_assignees", json=asked)
    advice = answer.json()
    assert answer.status_code == 200, advice
    people = [one["person_id"] for one in advice["candidates"]]
    assert len(set(people)) == 5
    assert datetime.fromisoformat(advice["as_of"]) == as_of
    assert not advice["is_degraded"]
    assert all(
        one["reasons"] and one["sojourn_time"]["median_s"] > 0 for one in advice["candidates"]
    )
    assert all(0 <= one["on_time_probability"] <= 1 for one in advice["candidates"])

    # Asked first, kept, given again.
    same = [service.post("/recommend_assignees", json=asked).json() for _ in range(2)]
    assert [one["candidates"] for one in same] == [advice["candidates"]] * 2
    assert 'workcast_cache_total{model="assignee",result="hit"}' in service.get("/metrics").text

    without = {"task_id": task["task_id"], "excluded_person_ids": people[:1], "count": 5}
    others = service.post("/recommend_assignees", json=without).json()["candidates"]
    assert people[0] not in [one["person_id"] for one in others]
    nobody = {"task_id": task["task_id"], "person_ids": people[:1], "excluded_person_ids": people}
    assert service.post("/recommend_assignees", json=nobody).status_code == 422
    unknown = {"workflow_id": task["workflow_id"], "activity": "Dance"}
    assert service.post("/recommend_assignees", json=unknown).status_code == 422

    own = service.post("/predict_duration", json={"task_id": task["task_id"]}).json()
    assert own["sojourn_time"]["low80_s"] <= own["sojourn_time"]["median_s"]
    assert datetime.fromisoformat(own["expected_completed_at"]) >= as_of
    what_if = {"task_id": task["task_id"], "person_id": people[0]}
    other = service.post("/predict_duration", json=what_if).json()
    assert (other["person_id"], other["is_what_if"]) == (people[0], own["person_id"] != people[0])
    assert service.post("/predict_duration", json={"task_id": "none"}).status_code == 404


def test_templates_and_what_follows(
    learned: tuple[Settings, datetime], service: httpx.Client
) -> None:
    settings, _ = learned
    (task,) = open_tasks(settings, 1)
    new = {"client_id": "C-00038", "priority": "normal", "attributes": {"amount": 10_000}}
    answer = service.post("/suggest_templates", json=new).json()
    assert [one["rank"] for one in answer["templates"]] == [1, 2, 3]
    assert all(0 <= one["success_ratio"] <= 1 for one in answer["templates"])
    running = service.post("/suggest_templates", json={"workflow_id": task["workflow_id"]}).json()
    shares = [one["probability"] for one in running["next_activities"]]
    assert shares == sorted(shares, reverse=True)
    assert service.post("/suggest_templates", json={"workflow_id": "no"}).status_code == 404


def test_open_tasks_are_spread_over_people(
    learned: tuple[Settings, datetime], service: httpx.Client
) -> None:
    settings, as_of = learned
    tasks = [task["task_id"] for task in open_tasks(settings, 12)]
    engine = open_engine(settings)
    with engine.connect() as connection:
        statement = text("SELECT person_id FROM workflow.people ORDER BY person_id LIMIT 40")
        people = list(connection.scalars(statement))
    engine.dispose()
    body = {
        "tasks": [{"task_id": one} for one in [*tasks, "no such task"]],
        "people": [{"person_id": one, "max_tasks": 2} for one in people],
    }
    answer = service.post("/recommend_allocation", json=body)
    plan = answer.json()
    assert answer.status_code == 200, plan
    planned = [one["task_id"] for one in plan["assignments"]]
    unplanned = {one["task_id"] for one in plan["unmet"] if not one["is_planned"]}
    assert set(planned) | unplanned == set(tasks)
    assert len(planned) == len(set(planned)) > 0
    given = Counter(one["person_id"] for one in plan["assignments"])
    assert max(given.values()) <= 2
    assert all(
        datetime.fromisoformat(one["planned_start_at"]) >= as_of for one in plan["assignments"]
    )
    (problem,) = plan["problems"]
    assert problem["problem"]["status"] == 404


# Of events that did not happen here: nothing failed, nothing was refused.
UNSEEN = {"airflow_task_finish", "workcast_refusals_total"}


def test_prometheus_finds_whatever_rules_and_dashboards_ask_for(
    learned: tuple[Settings, datetime],
    service: httpx.Client,
    statsd: tuple[int, str],
    tmp_path: Path,
) -> None:
    settings, _ = learned
    pages = {"serving": settings.service.removeprefix("http://"), "airflow": statsd[1]}
    with (
        store_exporters(tmp_path, settings) as stores,
        prometheus(tmp_path, pages | stores) as client,
    ):

        def ask(path: str, **parameters: str) -> Any:
            answer = client.get(path, params=parameters).json()
            assert answer["status"] == "success", answer
            return answer["data"]

        def is_up() -> bool:
            targets = ask("/targets")["activeTargets"]
            return len(targets) == 5 and {each["health"] for each in targets} == {"up"}

        wait_until(is_up, 60)
        # Two looks at every rule: the second sees what the first recorded.
        wait_until(
            lambda: all(
                rule["health"] != "unknown"
                for group in ask("/rules")["groups"]
                for rule in group["rules"]
            ),
            60,
        )
        evaluated = [rule for group in ask("/rules")["groups"] for rule in group["rules"]]
        assert len(evaluated) == len(rules())
        wrong = {
            rule["name"]: rule.get("lastError") for rule in evaluated if rule["health"] != "ok"
        }
        assert not wrong
        for where, expression in asked().items():
            assert ask("/query", query=expression)["resultType"] in {"vector", "scalar"}, where
        exposed = set(ask("/label/__name__/values"))
        recorded = {rule["record"] for rule in rules() if "record" in rule}
        words = {word for expression in asked().values() for word in WORD.findall(expression)}
        assert sorted(words - recorded - exposed - UNSEEN) == []
        assert len(words - recorded - UNSEEN) >= 30
