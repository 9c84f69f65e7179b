"""Copy what was recorded in an interval from the source database to the lake."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
import pyarrow as pa
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from pipelines.contracts import HistoryTable
from pipelines.errors import ExtractError
from pipelines.extract.intervals import Interval, PartitionUnit, partitions
from pipelines.extract.lake import last_moment, remove_partition, writing_partition
from pipelines.extract.queries import LAKE_QUERIES
from pipelines.extract.stream import CutByTime, snapshot, stream_query
from pipelines.source.database_errors import reason

_MICROSECOND: Final = timedelta(microseconds=1)

Progress = Callable[[int, int], None]
"""Told the partitions done and the partitions in all, over all tables."""


@dataclass(frozen=True)
class TableExtract:
    """What was written of one table: partitions that have rows, and their rows."""

    partitions: int
    rows: int


@dataclass(frozen=True)
class ExtractResult:
    """What an extract covered: the interval `[start, end)` of `recorded_at`, by table."""

    start: datetime  # of the first partition, so it may lie before the start asked for
    end: datetime
    tables: dict[HistoryTable, TableExtract]


def history_table(table: HistoryTable) -> str:
    """Return the folder of a history table below the lake."""
    return f"history/{table.value}"


def history_span(engine: Engine) -> tuple[datetime, datetime] | None:
    """Return the first and the last `recorded_at` (UTC) of everything; None when empty."""
    with engine.connect() as connection:
        bounds = [
            connection.execute(
                select(func.min(query.recorded_at), func.max(query.recorded_at))
            ).one()
            for query in LAKE_QUERIES.values()
        ]
    known = [(first, last) for first, last in bounds if first is not None]
    if not known:
        return None
    first, last = min(first for first, _ in known), max(last for _, last in known)
    return first.astimezone(UTC), last.astimezone(UTC)


def extract_history(
    engine: Engine,
    lake: str,
    start: datetime,
    end: datetime,
    partition: PartitionUnit,
    *,
    progress: Progress | None = None,
) -> ExtractResult:
    """Write what was recorded in `[start, end)` to the lake, replacing whole partitions.

    The partition that holds `start` is written from its own beginning, so nothing in it is
    lost. The last one is written up to `end`, unless an earlier run has already written
    further: then it stays as long as it is, because a rerun of an old interval must not
    take newer rows away. Reading is one snapshot for all tables, so they fit together. The
    same interval over the same rows gives the same bytes.

    A row counts by the `recorded_at` it has, not by when its transaction ended: let `end`
    lie a little in the past when applications write at the same time.

    Args:
        engine: the source database.
        lake: root of the lake, a folder or an fsspec URL.
        start: first `recorded_at`.
        end: `recorded_at` to stop before.
        partition: length of one partition.
        progress: called after each partition.

    Raises:
        ExtractError: the interval is empty or has no time zone, or the database or the lake
            failed; partitions are whole then, some old and some new.
    """
    intervals = partitions(start, end, partition)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, len(intervals) * len(LAKE_QUERIES))

    try:
        with snapshot(engine) as connection:
            tables = {
                table: _extract(connection, lake, table, intervals, end=end, advance=advance)
                for table in LAKE_QUERIES
            }
    except (SQLAlchemyError, psycopg.Error, OSError, pa.ArrowException) as err:
        raise ExtractError(
            f"The history from {start} to {end} was not extracted to {lake}: {reason(err)}. "
            "Partitions are whole, some old and some new: run the same interval again."
        ) from err
    return ExtractResult(intervals[0].start, end, tables)


def _extract(
    connection: Connection,
    lake: str,
    table: HistoryTable,
    intervals: list[Interval],
    *,
    end: datetime,
    advance: Callable[[], None],
) -> TableExtract:
    query, folder = LAKE_QUERIES[table], history_table(table)
    # What a wider run has already written of the last partition stays in it.
    written_last = last_moment(lake, folder, intervals[-1].start, "recorded_at")
    bound = max(end, written_last + _MICROSECOND) if written_last is not None else end
    statement = query.rows_of(Interval(intervals[0].start, bound))
    partition_count = row_count = 0
    with closing(stream_query(connection, statement, query.schema)) as stream:
        rows = CutByTime(stream, "recorded_at")
        for interval in intervals:
            written = _write(lake, folder, interval, query.schema, rows)
            partition_count += written > 0
            row_count += written
            advance()
    return TableExtract(partition_count, row_count)


def _write(lake: str, folder: str, interval: Interval, schema: pa.Schema, rows: CutByTime) -> int:
    """Replace one partition by the next rows that belong to it; return how many."""
    batches = rows.before(interval.end)
    first = next(batches, None)
    if first is None:
        remove_partition(lake, folder, interval.start)
        return 0
    with writing_partition(lake, folder, interval.start, schema) as writer:
        writer.write(first)
        for batch in batches:
            writer.write(batch)
    return writer.row_count
