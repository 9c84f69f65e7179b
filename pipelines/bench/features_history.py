"""Make a history of any size for measuring: many companies like one that was simulated."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.contracts import HISTORY_FOLDER, HistoryTable
from pipelines.extract.lake import PartitionUnit, writing_partition
from pipelines.features.history import SCHEMAS
from pipelines.history.company import simulate_company

_SEED: Final = 7
_MOST_TASKS: Final = 20_000  # of the company that is repeated
_EVENTS_PER_TASK: Final = 4.3
_IDS: Final = ("event_id", "workflow_id", "task_id", "person_id", "team_id", "client_id")


def write_history(lake: str, event_count: int, partition: PartitionUnit) -> datetime:
    """Write a history of at least `event_count` events to the lake.

    Companies of the same calendar stand side by side, each with people and workflows of its own.

    Returns:
        The end of a usual working day near the history's end.
    """
    task_count = min(_MOST_TASKS, ceil(event_count / _EVENTS_PER_TASK))
    with tempfile.TemporaryDirectory(prefix="workcast-bench-") as scratch:
        files = simulate_company(Path(scratch), task_count=task_count, seed=_SEED)
        events = pq.read_table(files.task_events)
        workflows = pq.read_table(files.workflows)
    copies = ceil(event_count / events.num_rows)
    closed = workflows.filter(workflows["closed_at"].is_valid())
    closed = closed.drop_columns(["recorded_at"])
    closed = closed.rename_columns({"closure_recorded_at": "recorded_at"})
    for table, rows in (
        (HistoryTable.TASK_EVENTS, events),
        (HistoryTable.WORKFLOWS, workflows),
        (HistoryTable.WORKFLOW_CLOSURES, closed),
    ):
        write_table(lake, table, rows.select(SCHEMAS[table].names), partition, copies)
    return _end_of_usual_day(events["recorded_at"])


def write_table(
    lake: str, table: HistoryTable, rows: pa.Table, partition: PartitionUnit, copies: int = 1
) -> None:
    """Write rows of a history table to their partitions; of several copies each has own ids."""
    schema = SCHEMAS[table]
    rows = rows.sort_by("recorded_at")
    starts = pc.floor_temporal(rows["recorded_at"], unit=partition)
    for start in pc.unique(starts).to_pylist():
        inside = rows.filter(pc.equal(starts, start))
        folder = f"{HISTORY_FOLDER}/{table.value}"
        with writing_partition(lake, folder, start.astimezone(UTC), schema) as writer:
            for copy in _copies(inside, copies):
                writer.write(copy.cast(schema))


def _copies(rows: pa.Table, copies: int) -> Iterator[pa.Table]:
    if copies == 1:
        yield rows
        return
    for copy in range(copies):
        renamed = rows
        for name in _IDS:
            if name in rows.column_names:
                ids = pc.binary_join_element_wise(str(copy), rows[name], "-")
                renamed = renamed.set_column(rows.column_names.index(name), name, ids)
        yield renamed


def _end_of_usual_day(recorded_at: pa.ChunkedArray) -> datetime:
    """Return the end of the last day with no fewer events than days have on average."""
    days = pc.value_counts(pc.floor_temporal(recorded_at, unit="day"))
    counts = days.field("counts")
    busy = pc.greater_equal(counts, pa.scalar(len(recorded_at) // len(days), counts.type))
    last: datetime = pc.max(days.field("values").filter(busy)).as_py()
    return last.astimezone(UTC) + timedelta(days=1)
