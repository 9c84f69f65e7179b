"""Write the rows of a dataset as partitions of the lake, in order, each replaced as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts import CREATED_TIMESTAMP, FEATURES_FOLDER
from pipelines.errors import FeatureBuildError
from pipelines.extract.lake import (
    PartitionUnit,
    list_partitions,
    partition_path,
    partition_start,
    remove_partition,
    writing_partition,
)
from pipelines.features.history import read_parquet
from pipelines.features.scratch import Scratch
from pipelines.features.views import ViewSpec

_INTERVAL: Final = "interval"
_BATCH_ROWS: Final = 65_536
# Rows that are sorted at a time, in whole partitions.
_SORT_ROWS: Final = 1_000_000


@dataclass(frozen=True)
class Dataset:
    """Where rows lie and how: folder of the lake, schema, order, and the time they lie by."""

    name: str
    folder: str
    schema: pa.Schema
    order: tuple[str, ...]
    time: str


def dataset_of(spec: ViewSpec) -> Dataset:
    """Return the dataset of a feature view."""
    folder = f"{FEATURES_FOLDER}/{spec.name.value}"
    return Dataset(spec.name.value, folder, spec.schema, spec.key, CREATED_TIMESTAMP)


@dataclass(frozen=True)
class LakeWriter:
    """Replace a lake's partitions by the rows of `[since, until)`.

    None as `since` means every partition. Otherwise those from the one that holds `since` on;
    what is older than `since` in it is kept. None as `until` means no end.
    """

    lake: str
    partition: PartitionUnit
    scratch: Scratch
    since: datetime | None = None
    until: datetime | None = None

    def write(self, dataset: Dataset, rows: ir.Table) -> dict[datetime, int]:
        """Replace the dataset's partitions; return the rows of each.

        Partitions without rows are removed. The same rows give the same bytes.

        Raises:
            FeatureBuildError: a column that may not be null is.
        """
        rows = self._with_older(dataset, self._inside(dataset, _typed(rows, dataset)))
        interval = rows[dataset.time].truncate("D" if self.partition == "day" else "M")
        rows = rows.mutate(**{_INTERVAL: interval})
        # What an interval adds is small; all there is may not be, and is sorted by blocks.
        if self.since is None:
            counts = self._write_blocks(dataset, rows)
        else:
            counts = self._write_block(dataset, rows)
        for stale in set(self._replaced(dataset)) - counts.keys():
            remove_partition(self.lake, dataset.folder, stale)
        return counts

    def _inside(self, dataset: Dataset, rows: ir.Table) -> ir.Table:
        if self.since is not None:
            rows = rows.filter(rows[dataset.time] >= self.since)
        return rows if self.until is None else rows.filter(rows[dataset.time] < self.until)

    def _replaced(self, dataset: Dataset) -> list[datetime]:
        starts = list_partitions(self.lake, dataset.folder)
        if self.since is None:
            return starts
        first = partition_start(self.since, self.partition)
        return [start for start in starts if start >= first]

    def _with_older(self, dataset: Dataset, rows: ir.Table) -> ir.Table:
        """Add what is older than `since` in the partition that holds it."""
        if self.since is None:
            return rows
        start = partition_start(self.since, self.partition)
        if start == self.since or start not in self._replaced(dataset):
            return rows
        path = partition_path(self.lake, dataset.folder, start)
        older = _typed(read_parquet([path], self.scratch.connection), dataset)
        return ibis.union(rows, older.filter(older[dataset.time] < self.since))

    def _write_blocks(self, dataset: Dataset, rows: ir.Table) -> dict[datetime, int]:
        counts: dict[datetime, int] = {}
        with self.scratch.passing() as passing:
            rows = passing.keep(dataset.name, rows)
            for block in _blocks(rows, self.scratch):
                inside = rows.filter(rows[_INTERVAL] >= block[0], rows[_INTERVAL] <= block[-1])
                counts |= self._write_block(dataset, inside)
        return counts

    def _write_block(self, dataset: Dataset, rows: ir.Table) -> dict[datetime, int]:
        # Not Ibis's to_pyarrow_batches: it calls a method that DuckDB 2 no longer has.
        connection = self.scratch.connection
        ordered = connection.compile(rows.order_by(_INTERVAL, *dataset.order))
        pieces = _by_interval(connection.con.sql(ordered).to_arrow_reader(_BATCH_ROWS))
        counts = {}
        piece = next(pieces, None)
        while piece is not None:
            start = piece[0]
            with writing_partition(self.lake, dataset.folder, start, dataset.schema) as writer:
                while piece is not None and piece[0] == start:
                    writer.write(_checked(piece[1], dataset))
                    piece = next(pieces, None)
                counts[start] = writer.row_count
        return counts


def _typed(rows: ir.Table, dataset: Dataset) -> ir.Table:
    types = ibis.schema({field.name: field.type for field in dataset.schema})
    return rows.select(**{name: rows[name].cast(dtype) for name, dtype in types.items()})


def _blocks(rows: ir.Table, scratch: Scratch) -> Iterator[list[datetime]]:
    """Group the intervals, in order, into blocks that are sorted at once."""
    counts = rows.group_by(_INTERVAL).agg(row_count=rows.count()).order_by(_INTERVAL)
    block: list[datetime] = []
    size = 0
    for interval in scratch.connection.to_pyarrow(counts).to_pylist():
        if block and size + interval["row_count"] > _SORT_ROWS:
            yield block
            block, size = [], 0
        block.append(interval[_INTERVAL])
        size += interval["row_count"]
    if block:
        yield block


def _by_interval(batches: pa.RecordBatchReader) -> Iterator[tuple[datetime, pa.RecordBatch]]:
    """Cut batches sorted by interval where a new interval begins."""
    for batch in batches:
        intervals = batch.column(_INTERVAL)
        rows = batch.drop_columns([_INTERVAL])
        ends = pc.run_end_encode(intervals)
        begin = 0
        for start, end in zip(ends.values.to_pylist(), ends.run_ends.to_pylist(), strict=True):
            # Set, not converted: kept tables lose the zone, and the machine's own may be another.
            yield start.replace(tzinfo=UTC), rows.slice(begin, end - begin)
            begin = end


def _checked(rows: pa.RecordBatch, dataset: Dataset) -> pa.Table:
    for field in dataset.schema:
        if not field.nullable and rows.column(field.name).null_count:
            raise FeatureBuildError(
                f"The column {field.name} of {dataset.name} holds nulls but may not: "
                "validate the history in the lake before features are built from it."
            )
    return pa.Table.from_batches([rows]).cast(dataset.schema)
