"""From a lake and a database to the alerts that the service shows."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, select, text

from pipelines.contracts import FeatureView, HistoryTable, Model, RiskKind, Stage
from pipelines.errors import MonitoringError
from pipelines.features.history import SCHEMAS
from pipelines.features.request_time import add_request_time
from pipelines.features.views import VIEWS
from pipelines.jobs.alerts import raise_alerts
from pipelines.learning.late_limits import LateLimits
from pipelines.registry.log import register
from pipelines.registry.promote import promote
from pipelines.settings import Settings
from pipelines.source.platform_tables import alerts
from pipelines.source.watermarks import set_watermark
from pipelines.store.repo import apply, open_store
from pipelines.store.training_sets import training_set
from serving.alerts import AlertBoard, Wanted
from tests.integration.serving_stack import JUST_BEFORE, ORIGIN, trained
from tests.learning.risks.queues import Provoked, day_end, queue_rows
from tests.store.lake_of_features import WATERMARK, write_lake

pytestmark = pytest.mark.integration

UNTIL = (day_end(141) + pd.Timedelta(microseconds=1)).to_pydatetime()
DAY = timedelta(days=1)
OVERLOADED = Provoked("person_id-2", 120, inflow_factor=2.0)


def event(task_id: str, transition: str, at: datetime, workflow_id: str = "W1") -> dict[str, Any]:
    return {
        "event_id": f"{task_id} {transition}",
        "workflow_id": workflow_id,
        "task_id": task_id,
        "sequence": 0,
        "activity": "Check",
        "transition": transition,
        "person_id": "ann",
        "team_id": None,
        "occurred_at": at,
        "recorded_at": at,
        "attributes": "{}",
    }


def write_history(lake: str, table: HistoryTable, rows: list[dict[str, Any]], month: str) -> None:
    write(Path(lake) / "history" / table.value, pa.Table.from_pylist(rows, SCHEMAS[table]), month)


def write_view(lake: str, view: FeatureView, rows: pd.DataFrame) -> None:
    schema = VIEWS[view].schema
    whole = rows.reindex(columns=schema.names).fillna({n: 0 for n in schema.names if "count" in n})
    table = pa.Table.from_pandas(whole, schema, preserve_index=False)
    write(Path(lake) / "features" / view.value, table, "2024-01-01")


def write(folder: Path, table: pa.Table, month: str) -> None:
    (folder / f"interval={month}").mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / f"interval={month}" / "part.parquet")


@pytest.fixture
def platform(settings: Settings, database: Engine, tmp_path: Path) -> Settings:
    """History and features up to a watermark; MLflow has no champion."""
    settings = settings.model_copy(update={"mlflow_url": f"sqlite:///{tmp_path}/mlflow.db"})
    begun = UNTIL - 20 * DAY
    done = [
        event(f"done-{n}", transition, begun + days * DAY)
        for n in range(40)
        for transition, days in (("created", 0), ("completed", 1 + n / 40))
    ]
    waiting = [
        event("slow", "created", UNTIL - 10 * DAY),
        event("due", "created", UNTIL - DAY / 4),
        event("fresh", "created", UNTIL - DAY / 4),
        event("left", "created", UNTIL - 15 * DAY, "W2"),  # its workflow is closed
        event("unknown", "created", UNTIL + DAY),
    ]
    closed = {"workflow_id": "W2", "closed_at": UNTIL - DAY, "recorded_at": UNTIL - DAY}
    write_history(settings.lake, HistoryTable.TASK_EVENTS, [*done, *waiting], "2024-05-01")
    write_history(settings.lake, HistoryTable.WORKFLOW_CLOSURES, [closed], "2024-05-01")
    people = queue_rows("person_id", provoked=OVERLOADED)
    write_view(settings.lake, FeatureView.PERSON_WORKLOAD, people)
    write_view(settings.lake, FeatureView.ACTIVITY_STATS, queue_rows("activity"))
    with database.begin() as connection:
        connection.execute(text("INSERT INTO workflow.workflows (workflow_id, opened_at) "
                                "VALUES ('W1', :at)"), {"at": begun})  # fmt: skip
        connection.execute(
            text("INSERT INTO workflow.tasks (task_id, workflow_id, activity, created_at, due_at) "
                 "VALUES ('due', 'W1', 'Check', :at, :due)"),
            {"at": UNTIL - DAY / 4, "due": UNTIL - DAY / 8},
        )  # fmt: skip
    set_watermark(database, Stage.FEATURES, UNTIL)
    return settings


def stored(database: Engine) -> list[Any]:
    query = select(alerts).order_by(alerts.c.kind, alerts.c.subject)
    with database.connect() as connection:
        return list(connection.execute(query))


def test_alerts_come_stay_and_go(platform: Settings, database: Engine) -> None:
    told = raise_alerts(platform)

    rows = stored(database)
    assert [(row.kind, row.subject, row.severity, row.score) for row in rows] == [
        ("late_task", "due", "critical", 1.0),
        ("late_task", "slow", "critical", 1.0),
        ("overloaded_person", "person_id-2", rows[2].severity, rows[2].score),
    ]
    assert rows[0].message == "'Check' has been open for 0.2 days, 0.1 beyond its due date."
    assert rows[2].score >= 0.5
    assert "late_task: 2 raised, 0 updated, 0 closed, of 3 scored" in told
    assert "late_workflow: as before (" in told

    assert "late_task: 0 raised, 2 updated, 0 closed" in raise_alerts(platform)
    assert [row.alert_id for row in stored(database)] == [row.alert_id for row in rows]

    later = UNTIL + DAY
    write_history(
        platform.lake, HistoryTable.TASK_EVENTS, [event("slow", "completed", UNTIL)], "2024-05-22"
    )
    set_watermark(database, Stage.FEATURES, later)
    assert "late_task: 0 raised, 1 updated, 1 closed" in raise_alerts(platform)

    board = AlertBoard(database)
    board.look()
    (shown,) = board.show(Wanted(kind=RiskKind.LATE_TASK)).alerts
    assert (shown.subject, shown.as_of) == ("due", later - timedelta(microseconds=1))
    assert json.loads(shown.model_dump_json())["severity"] == "critical"


def test_limits_are_the_settings(platform: Settings, database: Engine) -> None:
    few = platform.model_copy(
        update={"alert_min_score": {RiskKind.OVERLOADED_PERSON: 0.99}, "alert_max_count": 1}
    )
    raise_alerts(few)

    # Equally great: the first by its id.
    assert [(row.kind, row.subject) for row in stored(database)] == [("late_task", "due")]


def test_late_workflows_are_the_champions(
    settings: Settings, database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # MLflow without a server keeps its files where it is
    url = f"sqlite:///{tmp_path}/mlflow.db"
    settings = settings.model_copy(
        update={"mlflow_url": url, "alert_min_score": {RiskKind.LATE_WORKFLOW: 0.0}}
    )
    running = write_lake(settings.lake)[:60]
    happened = [
        event(f"of {name}", "created", WATERMARK - DAY, name) for name in [*running, "closed"]
    ]
    closed = {"workflow_id": "closed", "closed_at": WATERMARK, "recorded_at": WATERMARK - DAY}
    write_history(settings.lake, HistoryTable.TASK_EVENTS, happened, "2024-02-01")
    write_history(settings.lake, HistoryTable.WORKFLOW_CLOSURES, [closed], "2024-02-01")
    apply(settings)
    model = trained(settings, Model.DELAY_RISK, seed=1)
    limits = LateLimits(usual_s=1e12, by_template_s={}, is_told_at_closing=False)
    model = replace(model, predictor=replace(model.predictor, late_limits=limits))
    name, number = Model.DELAY_RISK.value, register(model, ORIGIN, url).version
    promote(name, number, "a test", url)
    set_watermark(database, Stage.FEATURES, WATERMARK)

    assert "late_workflow: " in raise_alerts(settings)

    moments = pd.DataFrame({"workflow_id": running, "event_timestamp": JUST_BEFORE})
    rows = training_set(open_store(settings), moments, name).assign(as_of=WATERMARK)
    rows = rows[rows["workflow_progress__last_activity"].notna()]
    rows = add_request_time(rows.assign(as_of=pd.to_datetime(rows["as_of"]).dt.as_unit("us")))
    said = model.predictor.predict(rows)["late_probability"]
    is_overdue = (rows["workflow_progress__due_at"] < WATERMARK).fillna(value=False)
    assert ((said == 1) == is_overdue).all()
    expected = dict(zip(rows["workflow_id"], said, strict=True))
    found = {row.subject: row.score for row in stored(database) if row.kind == "late_workflow"}
    assert 20 < len(found) < 60
    assert 0 < is_overdue.sum() < len(rows)
    assert found == pytest.approx(expected)


def test_without_features_it_says_what_to_run(settings: Settings) -> None:
    with pytest.raises(MonitoringError, match="build_features"):
        raise_alerts(settings)


def test_board_keeps_the_last_snapshot_while_the_database_is_away(
    platform: Settings, database: Engine
) -> None:
    raise_alerts(platform)
    board = AlertBoard(database)
    board.look()
    before = board.show(Wanted())
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE workcast.alerts RENAME TO elsewhere"))
    board.look()
    assert board.show(Wanted()) == before.model_copy(update={"is_stale": True})
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE workcast.elsewhere RENAME TO alerts"))
    board.look()
    after = board.show(Wanted())
    assert (after.is_stale, after.alerts) == (False, before.alerts)
    assert after.read_at > before.read_at
    assert datetime.now(UTC) >= after.read_at
