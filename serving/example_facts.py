"""What there is to ask about now, for examples: open work, people, and the latest advice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Engine, Select, or_, select
from sqlalchemy.exc import SQLAlchemyError

from pipelines.contracts import Model
from pipelines.source.platform_tables import alerts, predictions
from pipelines.source.tables import people, tasks, workflows
from serving.traffic import Variant

_COUNT: Final = 2

Found = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Facts:
    """What there is to ask about at a moment; empty where nothing is."""

    as_of: datetime
    workflows: Found = ()
    tasks: Found = ()
    people: Found = ()
    prediction_ids: Found = ()
    alert_ids: Found = ()


def read_facts(engine: Engine, as_of: datetime) -> Facts:
    """Read the latest opened work as known at `as_of`; nothing without a database."""
    # One that nobody has answered about yet has its general example.
    of_assignees = predictions.c.model_name == Model.ASSIGNEE.value
    is_real = predictions.c.variant.is_distinct_from(Variant.WHAT_IF.value)
    try:
        with engine.connect() as connection:

            def rows(statement: Select[Any]) -> Found:
                return [dict(row) for row in connection.execute(statement).mappings()]

            return Facts(
                as_of,
                rows(_running_workflows(as_of)),
                rows(_open_tasks(as_of)),
                rows(select(people.c.person_id).order_by(people.c.person_id).limit(_COUNT)),
                rows(
                    select(predictions.c.prediction_id)
                    .where(of_assignees, is_real)
                    .order_by(predictions.c.requested_at.desc())
                    .limit(1)
                ),
                rows(
                    select(alerts.c.alert_id)
                    .where(alerts.c.closed_at.is_(None))
                    .order_by(alerts.c.raised_at.desc())
                    .limit(1)
                ),
            )
    except SQLAlchemyError:
        return Facts(as_of)


def _is_running(as_of: datetime) -> ColumnElement[bool]:
    closure = workflows.c.closure_recorded_at
    return (workflows.c.recorded_at < as_of) & or_(closure.is_(None), closure >= as_of)


def _running_workflows(as_of: datetime) -> Select[Any]:
    names = ("workflow_id", "client_id", "priority", "attributes")
    return (
        select(*(workflows.c[name] for name in names))
        .where(_is_running(as_of))
        .order_by(workflows.c.opened_at.desc(), workflows.c.workflow_id)
        .limit(_COUNT)
    )


def _open_tasks(as_of: datetime) -> Select[Any]:
    ended = (tasks.c.completed_at, tasks.c.cancelled_at)
    return (
        select(tasks.c.task_id, tasks.c.workflow_id, tasks.c.activity)
        .join(workflows, workflows.c.workflow_id == tasks.c.workflow_id)
        .where(
            _is_running(as_of),
            tasks.c.created_at < as_of,
            *(or_(end.is_(None), end >= as_of) for end in ended),
        )
        .order_by(tasks.c.created_at.desc(), tasks.c.task_id)
        .limit(_COUNT)
    )
