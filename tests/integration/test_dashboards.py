"""Every SQL panel of the dashboards, asked of a real database by the user that Grafana is."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import URL, Engine, insert, select

from pipelines.contracts import DASHBOARDS_SCHEMA
from pipelines.history.company import simulate_company
from pipelines.platform.owners import ensure_reader
from pipelines.source.connect import connect
from pipelines.source.load import load_history
from pipelines.source.tables import alerts, drift_reports, feedback, predictions, workflows
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.integration

BOARDS = REPOSITORY / "infra" / "monitoring" / "grafana" / "dashboards"
PANELS = {
    f"{path.stem}: {panel['title']} {target['refId']}": target
    for path in sorted(BOARDS.glob("*.json"))
    for panel in json.loads(path.read_text())["panels"]
    for target in panel.get("targets", [])
    if "rawSql" in target
}
READER = "reader_of_dashboards"


@pytest.fixture
def asked(database: Engine, tmp_path: Path) -> Any:
    """The loaded history of a company with answers, feedback, an alert and a report of drift."""
    load_history(database, simulate_company(tmp_path, task_count=400, seed=3), uuid4())
    with database.begin() as connection:
        closed = connection.execute(
            select(workflows)
            .where(workflows.c.closed_at.is_not(None), workflows.c.due_at.is_not(None))
            .order_by(workflows.c.closed_at.desc())
            .limit(1)
        ).one()
        as_of = closed.closed_at - timedelta(hours=10)
        outputs = {
            "remaining_time": {"remaining_time_s": 7200},
            "delay_risk": {"late_probability": 0.25, "overdue_s": 0.0},
        }
        # What is late already is no prediction.
        certain = ("delay_risk", {"late_probability": 1.0, "overdue_s": 3600.0})
        ids = {}
        for (model, output), variant in [
            (certain, "champion"),
            *((item, kind) for item in outputs.items() for kind in ("champion", "what_if")),
        ]:
            ids[model, variant] = uuid4()
            connection.execute(
                insert(predictions).values(
                    prediction_id=ids[model, variant], model_name=model, model_version="7",
                    workflow_id=closed.workflow_id, as_of=as_of, requested_at=as_of,
                    output=output, variant=variant,
                )
            )  # fmt: skip
        first = ids["remaining_time", "champion"]
        connection.execute(
            insert(feedback).values(prediction_id=first, kind="accepted", given_at=as_of)
        )
        connection.execute(
            insert(alerts).values(kind="late_task", severity="warning", subject="T", message="late")
        )
        connection.execute(
            insert(drift_reports).values(
                drift_report_id="r", model_name="remaining_time", model_version="7",
                current_until=as_of, reported_at=as_of, drifted_ratio=0.5,
                drifted_columns=["age_s", "client_id"], compared_column_count=4,
                mae_reference=3600.0, mae_current=7200.0,
            )
        )  # fmt: skip
    return closed


@pytest.fixture
def reader(postgres_url: URL, database: Engine) -> Any:
    url = postgres_url.set(username=READER, password="x", database=database.url.database)  # noqa: S106
    for _ in range(2):  # a second time changes nothing
        ensure_reader(postgres_url, database.url, url, DASHBOARDS_SCHEMA)
    with connect(url) as connection:
        yield connection
    with connect(postgres_url, database.url.database) as connection:
        connection.execute(f"DROP OWNED BY {READER}")
        connection.execute(f"DROP ROLE {READER}")


def rows(reader: psycopg.Connection, target: dict[str, Any], closed: Any) -> list[dict[str, Any]]:
    """Ask as Grafana would, about the hundred days until the workflow was closed."""
    sql = target["rawSql"]
    for macro, moment in (
        ("From", closed.closed_at - timedelta(days=100)),
        ("To", closed.closed_at),
    ):
        sql = sql.replace(f"$__time{macro}()", f"'{moment.isoformat()}'")
    assert "$" not in sql
    cursor = reader.execute(sql)
    return [dict(zip([c.name for c in cursor.description], row, strict=True)) for row in cursor]


def test_every_panel_shows_something(asked: Any, reader: psycopg.Connection) -> None:
    assert len(PANELS) > 15
    empty = []
    for name, target in PANELS.items():
        found = rows(reader, target, asked)
        if not found:
            empty.append(name)
        elif target["format"] == "time_series":
            times = [row.pop("time") for row in found]
            assert times == sorted(times), name
            # Grafana takes a text for the name of a series and numbers for its values.
            metrics = {type(row.pop("metric", "")) for row in found}
            assert metrics == {str}, name
            assert {type(value) for row in found for value in row.values()} <= {int, float}, name
    assert not empty


def test_what_was_answered_stands_beside_what_happened(
    asked: Any, reader: psycopg.Connection
) -> None:
    (error,) = rows(reader, PANELS["models: Error of remaining time A"], asked)
    assert (error["metric"], error["mae"]) == ("champion 7", pytest.approx(8))  # 2 h said, 10 h
    (brier,) = rows(reader, PANELS["models: Brier score of delay risk A"], asked)
    late = asked.closed_at > asked.due_at
    assert brier["brier"] == pytest.approx((0.25 - late) ** 2)
    (tenth,) = rows(reader, PANELS["models: Calibration of delay risk A"], asked)
    assert tenth == {"tenth": 3, "answers": 1, "said_ratio": 0.25, "happened_ratio": float(late)}
    drifted = rows(reader, PANELS["models: What drifted, last report A"], asked)
    assert [row["drifted_column"] for row in drifted] == ["age_s", "client_id"]


def test_the_flow_of_work_is_that_of_the_source(
    asked: Any, reader: psycopg.Connection, database: Engine
) -> None:
    with database.connect() as connection:
        every = connection.execute(select(workflows)).all()
    (now,) = rows(reader, PANELS["work: Open workflows A"], asked)
    assert now["open"] == sum(each.closed_at is None for each in every) > 0
    start = asked.closed_at - timedelta(days=100)
    closed = [
        each for each in every if each.closed_at and start <= each.closed_at <= asked.closed_at
    ]
    panel = rows(reader, PANELS["work: Workflows opened and closed a day B"], asked)
    assert sum(row["closed"] for row in panel) == len(closed) > 20
    templates = rows(reader, PANELS["work: Templates A"], asked)
    lead_times = {
        each.template_id: sum(other.template_id == each.template_id for other in closed)
        for each in closed
    }
    assert {row["template_id"]: row["closed"] for row in templates} == lead_times


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM workflow.workflows",
        "SELECT * FROM workflow.people",
        "SELECT * FROM workcast.predictions",
        "SELECT * FROM workcast.audit_log",
        "DELETE FROM dashboards.alerts",
        "CREATE TABLE dashboards.mine (i int)",
        "CREATE TABLE public.mine (i int)",
    ],
)
def test_the_reader_may_do_nothing_else(reader: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute(statement)


def test_no_view_names_anybody(database: Engine) -> None:
    statement = (
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'dashboards'"
    )
    with database.connect() as connection:
        names = {row[0] for row in connection.exec_driver_sql(statement)}
    assert len(names) > 20
    assert not {
        n for n in names if re.search("person|client|workflow_id|task_id|subject|message", n)
    }
