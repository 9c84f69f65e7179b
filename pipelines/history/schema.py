"""What a history is: the tables an event log becomes, with their columns and types.

Every way in (CSV, XES, the simulated company) ends in these Parquet tables; the source
database, the lake and the features start from them. Timestamps are UTC in microseconds,
ids are text, attributes are JSON objects as text.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa

TIMESTAMP: Final = pa.timestamp("us", tz="UTC")

# What a reader yields: one row per event of the log, before tasks are paired.
LOG_ROWS: Final = pa.schema(
    [
        pa.field("row_number", pa.int64(), nullable=False),  # 1-based: CSV data row, XES event
        pa.field("workflow_id", pa.string(), nullable=False),
        pa.field("task_id", pa.string()),  # where the log names its tasks itself
        pa.field("activity", pa.string(), nullable=False),
        pa.field("transition", pa.string(), nullable=False),  # contracts.Transition
        pa.field("person_id", pa.string()),
        pa.field("team_id", pa.string()),
        pa.field("occurred_at", TIMESTAMP, nullable=False),
        pa.field("recorded_at", TIMESTAMP, nullable=False),  # occurred_at where the log is silent
        pa.field("task_due_at", TIMESTAMP),
        pa.field("task_attributes", pa.string(), nullable=False),
        pa.field("template_id", pa.string()),
        pa.field("client_id", pa.string()),
        pa.field("priority", pa.string()),
        pa.field("workflow_due_at", TIMESTAMP),
        pa.field("outcome", pa.string()),
        pa.field("workflow_attributes", pa.string(), nullable=False),
    ]
)

# A row that was refused, and why.
REJECTED_ROWS: Final = pa.schema(
    [
        pa.field("row_number", pa.int64(), nullable=False),
        pa.field("column_name", pa.string()),
        pa.field("value", pa.string()),  # at most 200 characters of it
        pa.field("reason", pa.string(), nullable=False),
    ]
)

TASK_EVENTS: Final = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),  # UUID text, same for the same event
        pa.field("workflow_id", pa.string(), nullable=False),
        pa.field("task_id", pa.string(), nullable=False),
        pa.field("sequence", pa.int64(), nullable=False),  # order within the log: breaks time ties
        pa.field("activity", pa.string(), nullable=False),
        pa.field("transition", pa.string(), nullable=False),
        pa.field("person_id", pa.string()),
        pa.field("team_id", pa.string()),
        pa.field("occurred_at", TIMESTAMP, nullable=False),
        pa.field("recorded_at", TIMESTAMP, nullable=False),
        pa.field("attributes", pa.string(), nullable=False),
    ]
)

TASKS: Final = pa.schema(
    [
        pa.field("task_id", pa.string(), nullable=False),
        pa.field("workflow_id", pa.string(), nullable=False),
        pa.field("activity", pa.string(), nullable=False),
        pa.field("person_id", pa.string()),
        pa.field("team_id", pa.string()),
        pa.field("created_at", TIMESTAMP),
        pa.field("started_at", TIMESTAMP),
        pa.field("completed_at", TIMESTAMP),
        pa.field("cancelled_at", TIMESTAMP),
        pa.field("due_at", TIMESTAMP),
    ]
)

WORKFLOWS: Final = pa.schema(
    [
        pa.field("workflow_id", pa.string(), nullable=False),
        pa.field("template_id", pa.string()),
        pa.field("client_id", pa.string()),
        pa.field("priority", pa.string()),
        pa.field("opened_at", TIMESTAMP, nullable=False),
        pa.field("due_at", TIMESTAMP),
        pa.field("closed_at", TIMESTAMP),
        pa.field("outcome", pa.string()),
        pa.field("outcome_is_late", pa.bool_()),  # null where the log has no outcome label
        pa.field("attributes", pa.string(), nullable=False),  # known at opening
        pa.field("recorded_at", TIMESTAMP, nullable=False),  # when the opening was known
        pa.field("closure_recorded_at", TIMESTAMP),  # when the closing was known
    ]
)


@dataclass(frozen=True)
class HistoryFiles:
    """A complete history as Parquet files in one scratch folder, ready to load.

    `master` holds further source tables by name (people, template_tasks, …) where the
    origin knows them; the loader derives the ids it needs from the events otherwise.
    """

    task_events: Path
    tasks: Path
    workflows: Path
    rejected_rows: Path
    read_count: int  # rows read, good and bad
    rejected_count: int
    master: dict[str, Path] = field(default_factory=dict)
