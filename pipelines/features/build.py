"""Compute the feature views from the lake's history and write their partitions."""

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends.duckdb import Backend

from pipelines.contracts import CREATED_TIMESTAMP, FEATURES_FOLDER, FeatureView
from pipelines.errors import FeatureBuildError
from pipelines.extract.lake import (
    PartitionUnit,
    list_partitions,
    remove_partition,
    writing_partition,
)
from pipelines.features.compute import Keep, ViewComputer
from pipelines.features.history import History, read_history
from pipelines.features.views import VIEWS, ViewSpec

Progress = Callable[[FeatureView, int, int], None]

_INTERVAL: Final = "interval"
_BATCH_ROWS: Final = 65_536


@dataclass(frozen=True)
class BuildResult:
    """Rows and partitions written per view; everything recorded before `watermark` is in them.

    `watermark` is None where there was no history at all and no moment was asked for.
    """

    rows: Mapping[FeatureView, int]
    partitions: Mapping[FeatureView, int]
    watermark: datetime | None


def build_features(  # noqa: PLR0917 - explicit parameters beat a bag
    lake: str,
    until: datetime | None,
    partition: PartitionUnit,
    views: Collection[FeatureView] | None = None,
    progress: Progress | None = None,
    memory_limit: str = "2GB",
) -> BuildResult:
    """Compute feature views from what was recorded before `until` and replace their partitions.

    The same history gives the same bytes. Partitions without rows are removed. What does not
    fit into memory goes to temporary files.

    Args:
        lake: local path or fsspec URL; reads `history/`, writes
            `features/<view>/interval=<start>/part.parquet`, by `created_timestamp`.
        until: with a time zone; excluded. None means everything, with a row for the day of
            the last recording as if it had ended.
        partition: length of a partition.
        views: views to build; None means all.
        progress: called after each view with it, the number of views done, and of all.
        memory_limit: of DuckDB, such as "2GB".

    Raises:
        FeatureBuildError: `until` has no time zone, or a column that may not be null is.
    """
    chosen = [view for view in FeatureView if views is None or view in views]
    rows: dict[FeatureView, int] = {}
    partitions: dict[FeatureView, int] = {}
    with tempfile.TemporaryDirectory(prefix="workcast-features-") as scratch:
        connection = ibis.duckdb.connect(
            memory_limit=memory_limit, temp_directory=scratch, preserve_insertion_order=False
        )
        try:
            history = read_history(lake, until, connection)
            tables = ViewComputer(history, _keep_in(connection))
            for done, view in enumerate(chosen, start=1):
                table = tables.view(view)
                if until is not None:
                    table = table.filter(table[CREATED_TIMESTAMP] < until)
                counts = _write(lake, VIEWS[view], table, partition, connection)
                rows[view] = sum(counts.values())
                partitions[view] = len(counts)
                if progress is not None:
                    progress(view, done, len(chosen))
            watermark = until or _after_last_recording(history, connection)
        finally:
            connection.disconnect()
    return BuildResult(rows, partitions, watermark)


def _keep_in(connection: Backend) -> Keep:
    return lambda name, table: connection.create_table(name, table, temp=True)


def _write(
    lake: str, spec: ViewSpec, table: ir.Table, partition: PartitionUnit, connection: Backend
) -> dict[datetime, int]:
    """Write a view's partitions in order, remove the others; return the rows of each."""
    folder = f"{FEATURES_FOLDER}/{spec.name.value}"
    unit = "D" if partition == "day" else "M"
    table = table.select(**{f.name: table[f.name].cast(_ibis_type(f)) for f in spec.schema})
    table = table.mutate(**{_INTERVAL: table[CREATED_TIMESTAMP].truncate(unit)})
    table = table.order_by(_INTERVAL, *spec.key)
    counts: dict[datetime, int] = {}
    # Not Ibis's to_pyarrow_batches: it calls a method that DuckDB 2 no longer has.
    batches = _by_interval(
        connection.con.sql(connection.compile(table)).to_arrow_reader(_BATCH_ROWS)
    )
    piece = next(batches, None)
    while piece is not None:
        start = piece[0]
        with writing_partition(lake, folder, start, spec.schema) as writer:
            while piece is not None and piece[0] == start:
                writer.write(_checked(piece[1], spec))
                piece = next(batches, None)
            counts[start] = writer.row_count
    for stale in set(list_partitions(lake, folder)) - counts.keys():
        remove_partition(lake, folder, stale)
    return counts


def _by_interval(batches: pa.RecordBatchReader) -> Iterator[tuple[datetime, pa.RecordBatch]]:
    """Cut batches sorted by interval where a new interval begins."""
    for batch in batches:
        intervals = batch.column(_INTERVAL)
        rows = batch.drop_columns([_INTERVAL])
        ends = pc.run_end_encode(intervals)
        begin = 0
        for start, end in zip(ends.values.to_pylist(), ends.run_ends.to_pylist(), strict=True):
            yield start.astimezone(UTC), rows.slice(begin, end - begin)
            begin = end


def _checked(rows: pa.RecordBatch, spec: ViewSpec) -> pa.Table:
    for field in spec.schema:
        if not field.nullable and rows.column(field.name).null_count:
            raise FeatureBuildError(
                f"The column {field.name} of the view {spec.name} holds nulls but may not: "
                "validate the history in the lake before features are built from it."
            )
    return pa.Table.from_batches([rows]).cast(spec.schema)


def _ibis_type(field: pa.Field) -> str:
    return str(ibis.schema(pa.schema([pa.field(field.name, field.type)]))[field.name])


def _after_last_recording(history: History, connection: Backend) -> datetime | None:
    tables = (history.task_events, history.workflows, history.workflow_closures)
    recorded = ibis.union(*(table.select("recorded_at") for table in tables))
    latest = connection.to_pyarrow(recorded.recorded_at.max()).as_py()
    return None if latest is None else latest.astimezone(UTC) + timedelta(microseconds=1)
