"""From log rows to events, tasks and workflows: with DuckDB, out of core and repeatable."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.history import derive_sql as sql
from pipelines.history.mapping import Mapping
from pipelines.history.pairing import TaskQueue
from pipelines.history.rejections import Reason
from pipelines.history.schema import REJECTED_ROWS, TASK_EVENTS, TASKS, WORKFLOWS, HistoryFiles

_BATCH_ROWS: Final = 50_000
_TASK_NUMBERS: Final = pa.schema([("row_number", pa.int64()), ("task_number", pa.int64())])
_DAY_SECONDS: Final = 86_400


def derive_history(
    log_rows: Path,
    refused_rows: Path,
    mapping: Mapping,
    scratch: Path,
    read_count: int,
    *,
    memory_limit: str = "400MB",
) -> HistoryFiles:
    """Derive a history from the rows a reader found good.

    - A row equal to an earlier one in everything mapped is refused.
    - An event's id is a digest of workflow, activity, transition, time and person, and of
      its number among events equal in these; so the same or a longer file gives the same
      ids, whatever attributes are mapped.
    - A task is what the log names (refusing completions before the task's first start), or
      a row with its own start, or else paired first in first out (`pairing.TaskQueue`).
      Its id is `<workflow>/<activity>/<number>`, or `<workflow>/<activity>/id=<its name>`.
    - A workflow is closed when its last event completes or cancels a closing activity, or
      when it has been quiet at the log's end for `quiet_days`; with neither in the mapping,
      for longer than 95 % of the gaps between successive events in workflows. It counts as
      known to be closed as soon as its last event was recorded.
    - What is known at opening is what its first row says; the outcome is the last row's.

    Args:
        log_rows: Parquet file of LOG_ROWS.
        refused_rows: Parquet file of REJECTED_ROWS, of the reader.
        mapping: what the log's columns mean.
        scratch: folder for the results and for what memory does not hold.
        read_count: rows read, good and bad.
        memory_limit: what DuckDB may hold in memory; the rest goes to `scratch`.
    """
    closing, columns = mapping.closing, mapping.columns
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "temp_directory": str(scratch / "spill"),
        "threads": 2,
    }
    with duckdb.connect(config=config) as database:
        database.execute("SET TimeZone = 'UTC'")
        database.read_parquet(str(log_rows)).create_view("log_rows")
        database.read_parquet(str(refused_rows)).create_view("refused_rows")
        for statement in (sql.DUPLICATES, sql.EARLY_COMPLETIONS, sql.KEYS):
            database.execute(statement)
        if columns.start_timestamp is not None:
            database.execute(sql.SPAN_NUMBERS)
        else:
            numbers = _write_task_numbers(database, scratch / "task_numbers.parquet")
            database.read_parquet(str(numbers)).create_view("task_numbers")
        database.execute(sql.EVENTS)
        late_values = mapping.outcome and [word.lower() for word in mapping.outcome.late_values]
        known = {
            "activities": list(closing.activities),
            "quiet_s": _quiet_seconds(database, mapping),
            "late_values": late_values,
        }
        reasons = {
            "duplicate": Reason.DUPLICATE_EVENT.value,
            "early": Reason.COMPLETION_BEFORE_START.value,
            "timestamp": columns.timestamp,
        }
        rejected_path = scratch / "rejected_rows.parquet"
        _write(database, sql.REJECTED_ROWS, rejected_path, REJECTED_ROWS, reasons)
        return HistoryFiles(
            task_events=_write(
                database, sql.TASK_EVENTS, scratch / "task_events.parquet", TASK_EVENTS
            ),
            tasks=_write(database, sql.TASKS, scratch / "tasks.parquet", TASKS),
            workflows=_write(
                database, sql.WORKFLOWS, scratch / "workflows.parquet", WORKFLOWS, known
            ),
            rejected_rows=rejected_path,
            read_count=read_count,
            rejected_count=pq.read_metadata(rejected_path).num_rows,
        )


def _quiet_seconds(database: duckdb.DuckDBPyConnection, mapping: Mapping) -> float | None:
    """Return how long a workflow must be quiet to count as closed, None for never."""
    closing = mapping.closing
    if closing.quiet_days is not None:
        return closing.quiet_days * _DAY_SECONDS
    if closing.activities:
        return None
    # All of it is fetched: a connection does one thing at a time.
    ((quiet_s,),) = database.execute(sql.QUIET_SECONDS).fetchall()
    return float(quiet_s)


def _write_task_numbers(database: duckdb.DuckDBPyConnection, path: Path) -> Path:
    """Pair the rows of unnamed tasks; write each row's task number within its activity."""
    with pq.ParquetWriter(path, _TASK_NUMBERS) as writer:
        queue, group = TaskQueue(), ("", "")
        for batch in _batches(database, sql.UNNAMED):
            numbers: list[int] = []
            rows = (batch[name].to_pylist() for name in ("workflow_id", "activity", "transition"))
            for workflow_id, activity, transition in zip(*rows, strict=True):
                if (workflow_id, activity) != group:
                    queue, group = TaskQueue(), (workflow_id, activity)
                numbers.append(queue.place(transition))
            writer.write_batch(
                pa.record_batch([batch["row_number"], pa.array(numbers)], schema=_TASK_NUMBERS)
            )
    return path


def _write(
    database: duckdb.DuckDBPyConnection,
    statement: str,
    path: Path,
    schema: pa.Schema,
    values: dict[str, Any] | None = None,
) -> Path:
    with pq.ParquetWriter(path, schema) as writer:
        for batch in _batches(database, statement, values):
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))
    return path


def _batches(
    database: duckdb.DuckDBPyConnection, statement: str, values: dict[str, Any] | None = None
) -> Iterator[pa.RecordBatch]:
    relation = database.sql(statement, params=values)
    yield from relation.to_arrow_reader(_BATCH_ROWS)
