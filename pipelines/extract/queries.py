"""What of the source database goes into the lake: one query and one schema for each table."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
from sqlalchemy import Column, Select, Text, cast, select

from pipelines.contracts import HistoryTable
from pipelines.extract.intervals import Interval
from pipelines.history.schema import TASK_EVENTS, WORKFLOWS
from pipelines.source.tables import task_events, workflows

_OPENING: Final = (
    "workflow_id",
    "template_id",
    "client_id",
    "priority",
    "opened_at",
    "due_at",
    "attributes",
    "recorded_at",
)


@dataclass(frozen=True)
class LakeQuery:
    """How one lake table is read: every row once, in the same order each time."""

    schema: pa.Schema
    statement: Select[Any]
    recorded_at: Column[datetime]

    def rows_of(self, interval: Interval) -> Select[Any]:
        """Select what was recorded in the interval."""
        return self.statement.where(
            self.recorded_at >= interval.start, self.recorded_at < interval.end
        )


LAKE_QUERIES: Final = {
    HistoryTable.TASK_EVENTS: LakeQuery(
        TASK_EVENTS,
        select(
            *(
                cast(column, Text).label(column.name) if column.name == "attributes" else column
                for column in (task_events.c[name] for name in TASK_EVENTS.names)
            )
        ).order_by(task_events.c.recorded_at, task_events.c.sequence, task_events.c.event_id),
        task_events.c.recorded_at,
    ),
    # Only what is known at the opening: how a workflow ended stands in its closure.
    HistoryTable.WORKFLOWS: LakeQuery(
        pa.schema([WORKFLOWS.field(name) for name in _OPENING]),
        select(
            *(
                cast(column, Text).label(column.name) if column.name == "attributes" else column
                for column in (workflows.c[name] for name in _OPENING)
            )
        ).order_by(workflows.c.recorded_at, workflows.c.workflow_id),
        workflows.c.recorded_at,
    ),
    HistoryTable.WORKFLOW_CLOSURES: LakeQuery(
        pa.schema(
            [
                WORKFLOWS.field("workflow_id"),
                WORKFLOWS.field("closed_at").with_nullable(False),  # noqa: FBT003
                WORKFLOWS.field("outcome"),
                WORKFLOWS.field("outcome_is_late"),
                WORKFLOWS.field("recorded_at"),
            ]
        ),
        select(
            workflows.c.workflow_id,
            workflows.c.closed_at,
            workflows.c.outcome,
            workflows.c.outcome_is_late,
            workflows.c.closure_recorded_at.label("recorded_at"),
        ).order_by(workflows.c.closure_recorded_at, workflows.c.workflow_id),
        workflows.c.closure_recorded_at,
    ),
}
