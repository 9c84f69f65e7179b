"""Merge staged rows into the source tables without ever forgetting what was known.

A later file may close an open workflow, or tell more about a task; an older one may not
open it again or take away what is there. Each function runs inside the caller's transaction.
"""

from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Insert,
    Table,
    and_,
    case,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import insert

from pipelines.source.tables import task_events, tasks, workflows

_OPENING = ("template_id", "client_id", "priority", "due_at", "attributes")
_CLOSING = ("closed_at", "outcome", "outcome_is_late", "closure_recorded_at")
_TASK_MOMENTS = ("created_at", "started_at", "completed_at", "cancelled_at")
_TASK_FACTS = ("person_id", "team_id", "due_at")


def add_missing(connection: Connection, target: Table, found: Column[Any]) -> int:
    """Add the ids in a staged column to the master table `target`; return how many are new.

    All of them are kept from being deleted until the end of the transaction.
    """
    (key,) = target.primary_key.columns
    ids = select(found).where(found.is_not(None)).distinct().order_by(found)
    statement = insert(target).from_select([key.name], ids).on_conflict_do_nothing()
    added = _rowcount(connection, statement)
    held = select(key).where(key.in_(select(found))).with_for_update(read=True, key_share=True)
    connection.execute(select(func.count()).select_from(held.subquery()))
    return added


def merge_master(connection: Connection, target: Table, staged: Table) -> int:
    """Add the staged rows of a master table; a known key takes over the staged values."""
    keys = [column.name for column in target.primary_key.columns]
    statement = insert(target).from_select(staged.columns.keys(), select(staged))
    values = {n: statement.excluded[n] for n in (c.name for c in staged.columns) if n not in keys}
    if values:
        statement = statement.on_conflict_do_update(index_elements=keys, set_=values)
    else:
        statement = statement.on_conflict_do_nothing()
    return _rowcount(connection, statement)


def merge_workflows(connection: Connection, staged: Table) -> int:
    """Add new workflows and complete known ones; return how many are new.

    The opening keeps its earliest knowledge and the closing its latest.
    """
    old, new = workflows.c, staged.c
    is_earlier = new.recorded_at < old.recorded_at
    is_later_closing = and_(
        new.closure_recorded_at.is_not(None),
        func.coalesce(new.closure_recorded_at > old.closure_recorded_at, true()),
    )
    values: dict[str, ColumnElement[Any]] = {
        "opened_at": func.least(old.opened_at, new.opened_at),
        "recorded_at": func.least(old.recorded_at, new.recorded_at),
    }
    for name in _OPENING:
        first, second = old[name], new[name]
        values[name] = case(
            (is_earlier, func.coalesce(second, first)), else_=func.coalesce(first, second)
        )
    for name in _CLOSING:
        values[name] = case((is_later_closing, new[name]), else_=old[name])
    _update(connection, workflows, staged, values)
    return _add(connection, workflows, staged)


def merge_tasks(connection: Connection, staged: Table) -> int:
    """Add new tasks and complete known ones; return how many are new."""
    old, new = tasks.c, staged.c
    is_later = func.coalesce(
        func.greatest(*(new[n] for n in _TASK_MOMENTS))
        >= func.greatest(*(old[n] for n in _TASK_MOMENTS)),
        true(),
    )
    values: dict[str, ColumnElement[Any]] = {
        "created_at": func.least(old.created_at, new.created_at),
        "started_at": func.least(old.started_at, new.started_at),
        "completed_at": func.greatest(old.completed_at, new.completed_at),
        "cancelled_at": func.greatest(old.cancelled_at, new.cancelled_at),
    }
    for name in _TASK_FACTS:
        values[name] = case(
            (is_later, func.coalesce(new[name], old[name])),
            else_=func.coalesce(old[name], new[name]),
        )
    _update(connection, tasks, staged, values)
    return _add(connection, tasks, staged)


def add_events(connection: Connection, staged: Table) -> int:
    """Append the events that are not there yet; return how many."""
    return _add(connection, task_events, staged)


def _update(
    connection: Connection, target: Table, staged: Table, values: dict[str, ColumnElement[Any]]
) -> None:
    (key,) = target.primary_key.columns
    changed = or_(*(target.c[name].is_distinct_from(value) for name, value in values.items()))
    connection.execute(
        target.update().values(values).where(key == staged.c[key.name]).where(changed)
    )


def _add(connection: Connection, target: Table, staged: Table) -> int:
    # In the order in which an extract reads them, so that it reads the disk in order.
    order = "recorded_at" if "recorded_at" in staged.c else "workflow_id"
    rows = select(staged).order_by(staged.c[order])
    statement = insert(target).from_select(staged.columns.keys(), rows).on_conflict_do_nothing()
    return _rowcount(connection, statement)


def _rowcount(connection: Connection, statement: Insert) -> int:
    # SQLAlchemy drops the count of an INSERT unless asked.
    options = {"preserve_rowcount": True}
    return connection.execute(statement, execution_options=options).rowcount
