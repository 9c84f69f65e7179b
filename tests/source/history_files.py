"""Small histories as the Parquet files a reader would have written."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.history.schema import (
    REJECTED_ROWS,
    TASK_EVENTS,
    TASKS,
    WORKFLOWS,
    HistoryFiles,
)

Row = Mapping[str, Any]
START = datetime(2024, 1, 1, tzinfo=UTC)


def at(hours: float) -> datetime:
    """Return the moment `hours` after the start of 2024."""
    return START + timedelta(hours=hours)


def workflow(workflow_id: str, opened: float, closed: float | None = None, **more: Any) -> Row:
    """Make a workflow that is recorded as it happens."""
    return {
        "workflow_id": workflow_id,
        "opened_at": at(opened),
        "recorded_at": at(opened),
        "closed_at": None if closed is None else at(closed),
        "closure_recorded_at": None if closed is None else at(closed),
        "attributes": "{}",
        **more,
    }


def task(task_id: str, workflow_id: str, **more: Any) -> Row:
    """Make a task."""
    return {"task_id": task_id, "workflow_id": workflow_id, "activity": "check", **more}


def event(task_id: str, workflow_id: str, occurred: float, **more: Any) -> Row:
    """Make a completion that is recorded as it happens."""
    row = {
        "workflow_id": workflow_id,
        "task_id": task_id,
        "sequence": 0,
        "activity": "check",
        "transition": "completed",
        "occurred_at": at(occurred),
        "recorded_at": at(occurred),
        "attributes": "{}",
        **more,
    }
    name = f"{task_id} {row['transition']} {occurred}"
    return {"event_id": str(uuid5(NAMESPACE_OID, name)), **row}


def refused(row_number: int, reason: str = "missing key", **more: Any) -> Row:
    """Make a row that a reader refused."""
    return {"row_number": row_number, "reason": reason, **more}


def write_history(
    folder: Path,
    *,
    workflows: Iterable[Row] = (),
    tasks: Iterable[Row] = (),
    events: Iterable[Row] = (),
    rejected: Iterable[Row] = (),
    master: Mapping[str, Iterable[Row]] | None = None,
) -> HistoryFiles:
    """Write a history; `master` tables get the columns of their rows."""
    folder.mkdir(parents=True, exist_ok=True)
    rejected, events = list(rejected), list(events)
    paths = {
        name: _write(folder / f"{name}.parquet", rows, schema)
        for name, rows, schema in (
            ("task_events", events, TASK_EVENTS),
            ("tasks", tasks, TASKS),
            ("workflows", workflows, WORKFLOWS),
            ("rejected_rows", rejected, REJECTED_ROWS),
        )
    }
    return HistoryFiles(
        **paths,
        read_count=len(events) + len(rejected),
        rejected_count=len(rejected),
        master={
            name: _write(folder / f"{name}.parquet", rows, None)
            for name, rows in (master or {}).items()
        },
    )


def _write(path: Path, rows: Iterable[Row], schema: pa.Schema | None) -> Path:
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema=schema), path)
    return path
