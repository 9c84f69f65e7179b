"""Small histories in the words of the tests, and views as lists of rows."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend
from ibis.util import gen_name

from pipelines.contracts import FeatureView, HistoryTable
from pipelines.features.coding import CodedEvents, code_events
from pipelines.features.compute import ViewComputer
from pipelines.features.history import SCHEMAS, History, with_names
from pipelines.features.views import VIEWS

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
Row = dict[str, Any]


def at(day: int, hour: float = 0, second: float = 0) -> datetime:
    """A moment so many days after Monday, 2024-01-01, UTC."""
    return MONDAY + timedelta(days=day, hours=hour, seconds=second)


def day_end(day: int) -> datetime:
    return at(day + 1) - timedelta(microseconds=1)


def event(
    workflow: str,
    activity: str,
    occurred_at: datetime,
    *,
    transition: str = "completed",
    task: str | None = None,
    person: str | None = None,
    team: str | None = None,
    recorded_at: datetime | None = None,
    attributes: str = "{}",
) -> Row:
    """An event; by default the completion of a task of its own, recorded as it happens."""
    return {
        "workflow_id": workflow,
        "task_id": task,
        "activity": activity,
        "transition": transition,
        "person_id": person,
        "team_id": team,
        "occurred_at": occurred_at,
        "recorded_at": recorded_at or occurred_at,
        "attributes": attributes,
    }


def workflow(name: str, opened_at: datetime, **columns: Any) -> Row:
    optional = dict.fromkeys(("template_id", "client_id", "priority", "due_at"))
    row = {"workflow_id": name, "opened_at": opened_at, "recorded_at": opened_at}
    return {**optional, "attributes": "{}", **row, **columns}


def closure(name: str, closed_at: datetime, recorded_at: datetime | None = None) -> Row:
    return {
        "workflow_id": name,
        "closed_at": closed_at,
        "recorded_at": recorded_at or closed_at,
        "outcome": None,
        "outcome_is_late": None,
    }


def arrow_tables(
    events: Sequence[Row], workflows: Sequence[Row] = (), closures: Sequence[Row] = ()
) -> dict[HistoryTable, pa.Table]:
    """The lake's tables; `sequence` follows the order given, a task's default id too."""
    numbered = [
        {**row, "event_id": f"e{n:05}", "sequence": n, "task_id": row["task_id"] or f"t{n:05}"}
        for n, row in enumerate(events)
    ]
    rows = {
        HistoryTable.TASK_EVENTS: numbered,
        HistoryTable.WORKFLOWS: list(workflows),
        HistoryTable.WORKFLOW_CLOSURES: list(closures),
    }
    return {name: pa.Table.from_pylist(rows[name], SCHEMAS[name]) for name in HistoryTable}


def load(connection: Backend, tables: dict[HistoryTable, pa.Table]) -> History:
    stored = {}
    for name, table in tables.items():
        unique = gen_name(name)
        connection.con.register(unique, table)
        stored[name] = connection.table(unique)
    return with_names(History(*(stored[name] for name in HistoryTable)), connection)


def history(
    connection: Backend,
    events: Sequence[Row] = (),
    workflows: Sequence[Row] = (),
    closures: Sequence[Row] = (),
) -> History:
    return load(connection, arrow_tables(events, workflows, closures))


def coded(recorded: History) -> CodedEvents:
    return code_events(recorded.task_events, lambda _, table: table)


def before(recorded: History, until: datetime) -> History:
    """What of a history had been recorded before a moment."""
    return History(
        recorded.task_events.filter(recorded.task_events.recorded_at < until),
        recorded.workflows.filter(recorded.workflows.recorded_at < until),
        recorded.workflow_closures.filter(recorded.workflow_closures.recorded_at < until),
        recorded.attribute_keys,
        recorded.activities,
    )


def rows_of(connection: Backend, table: ir.Table, columns: Sequence[str]) -> list[Row]:
    """The columns of a table as rows, in their order."""
    rows: list[Row] = connection.to_pyarrow(table.select(*columns)).to_pylist()
    return sorted(rows, key=lambda row: [(value is not None, value) for value in row.values()])


def view_rows(connection: Backend, recorded: History, view: FeatureView) -> list[Row]:
    """A view's rows with all its columns, by entity, event and created timestamp."""
    return rows_of(connection, ViewComputer(recorded).view(view), VIEWS[view].schema.names)
