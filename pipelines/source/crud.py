"""Create, read, update and delete records, for applications that write as they work.

Every function works inside the caller's transaction. A refused change leaves that
transaction usable: it is undone alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Table, and_, func, select, text
from sqlalchemy.exc import StatementError

from pipelines.contracts import Transition
from pipelines.errors import NotFoundError, SourceError
from pipelines.source.database_errors import reason
from pipelines.source.records import TABLE_OF, Record, TaskEvent
from pipelines.source.references import LOAD_LOCK
from pipelines.source.tables import task_events, tasks, workflows

AnyRecord = TypeVar("AnyRecord", bound=Record | TaskEvent)

_MOMENT_OF: Final = {
    Transition.CREATED: "created_at",
    Transition.STARTED: "started_at",
    Transition.COMPLETED: "completed_at",
    Transition.CANCELLED: "cancelled_at",
}


def create(connection: Connection, record: Record) -> None:
    """Add a record; what is None is left to the database.

    Raises:
        SourceError: its key is taken, it refers to nothing, or a value is not allowed.
    """
    table = TABLE_OF[type(record)]
    values = {name: value for name, value in asdict(record).items() if value is not None}
    with _refusals(connection, f"{_name(record)} was not created"):
        connection.execute(table.insert().values(values))


def get(connection: Connection, kind: type[AnyRecord], *key: object) -> AnyRecord:
    """Read the record of a kind with this key, its parts in the table's order.

    Raises:
        NotFoundError: there is none.
    """
    table = TABLE_OF[kind]
    row = connection.execute(select(table).where(_is(table, key))).mappings().one_or_none()
    if row is None:
        raise _not_found(kind, key)
    return kind(**row)


def find(
    connection: Connection,
    kind: type[AnyRecord],
    *,
    limit: int = 100,
    offset: int = 0,
    **equal: Any,
) -> list[AnyRecord]:
    """List records in the order of their keys, those whose columns have the given values.

    Raises:
        SourceError: there is no such column.
    """
    table = TABLE_OF[kind]
    if unknown := [name for name in equal if name not in table.columns]:
        raise SourceError(
            f"{kind.__name__} has no {', '.join(unknown)}; "
            f"it has {', '.join(table.columns.keys())}."
        )
    conditions = [table.c[name] == value for name, value in equal.items()]
    statement = select(table).where(*conditions).order_by(*table.primary_key.columns)
    rows = connection.execute(statement.limit(limit).offset(offset)).mappings()
    return [kind(**row) for row in rows]


def update(connection: Connection, record: Record) -> None:
    """Replace what is stored under the record's key.

    Raises:
        NotFoundError: nothing is.
        SourceError: it refers to nothing, or a value is not allowed.
    """
    table = TABLE_OF[type(record)]
    values = asdict(record)
    key = [values.pop(column.name) for column in table.primary_key.columns]
    # What may not be null and is not said stays as it is (`recorded_at` above all).
    said = {name: v for name, v in values.items() if v is not None or table.c[name].nullable}
    with _refusals(connection, f"{_name(record)} was not updated"):
        result = connection.execute(table.update().where(_is(table, key)).values(said))
    if result.rowcount == 0:
        raise _not_found(type(record), key)


def delete(connection: Connection, kind: type[Record], *key: object) -> None:
    """Delete the record of a kind with this key.

    Raises:
        NotFoundError: there is none.
        SourceError: others refer to it.
    """
    table = TABLE_OF[kind]
    # A load may be adding rows that refer to it, see `references`.
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(:id)"), {"id": LOAD_LOCK})
    with _refusals(connection, f"{kind.__name__} {_text(key)} was not deleted"):
        result = connection.execute(table.delete().where(_is(table, key)))
    if result.rowcount == 0:
        raise _not_found(kind, key)


def append_event(connection: Connection, event: TaskEvent) -> UUID:
    """Append an event and bring its task up to date; return the event's id.

    Raises:
        SourceError: there is no such task in this workflow, or a value is not allowed.
    """
    values = {name: value for name, value in asdict(event).items() if value is not None}
    state: dict[str, Any] = {
        name: values[name] for name in ("person_id", "team_id") if name in values
    }
    if (moment := _MOMENT_OF.get(event.transition)) is not None:
        state[moment] = event.occurred_at
    with _refusals(connection, f"Event of task {event.task_id!r} was not appended"):
        event_id: UUID = connection.execute(
            task_events.insert().values(values).returning(task_events.c.event_id)
        ).scalar_one()
        if state:
            connection.execute(tasks.update().where(_is(tasks, [event.task_id])).values(state))
    return event_id


def close_workflow(
    connection: Connection,
    workflow_id: str,
    closed_at: datetime,
    outcome: str | None = None,
    *,
    outcome_is_late: bool | None = None,
) -> None:
    """Close a workflow; that it is closed is known from now on.

    Raises:
        NotFoundError: there is no such workflow.
        SourceError: it would close before it opened.
    """
    with _refusals(connection, f"Workflow {workflow_id!r} was not closed"):
        result = connection.execute(
            workflows.update()
            .where(workflows.c.workflow_id == workflow_id)
            .values(
                closed_at=closed_at,
                outcome=outcome,
                outcome_is_late=outcome_is_late,
                closure_recorded_at=func.clock_timestamp(),
            )
        )
    if result.rowcount == 0:
        raise NotFoundError(f"There is no Workflow {workflow_id!r}.")


@contextmanager
def _refusals(connection: Connection, what: str) -> Iterator[None]:
    """Undo a refused change alone, and say which constraint and which value refused it."""
    try:
        with connection.begin_nested():
            yield
    except StatementError as err:
        raise SourceError(f"{what}: {reason(err)}") from err


def _is(table: Table, key: Any) -> ColumnElement[bool]:
    columns = list(table.primary_key.columns)
    if len(key) != len(columns):
        names = ", ".join(column.name for column in columns)
        raise SourceError(f"The key of {table.name} is ({names}), not ({_text(key)}).")
    return and_(*(column == part for column, part in zip(columns, key, strict=True)))


def _not_found(kind: type, key: Any) -> NotFoundError:
    return NotFoundError(f"There is no {kind.__name__} {_text(key)}.")


def _name(record: Record) -> str:
    keys = [getattr(record, column.name) for column in TABLE_OF[type(record)].primary_key.columns]
    return f"{type(record).__name__} {_text(keys)}"


def _text(key: Any) -> str:
    return ", ".join(repr(part) for part in key)
