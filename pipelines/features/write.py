"""Write the rows of a dataset as partitions of the lake, in order, each replaced as a whole."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Final, TypeAlias

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import DuckDBPyConnection

from pipelines.contracts import CREATED_TIMESTAMP, FEATURES_FOLDER
from pipelines.errors import FeatureBuildError
from pipelines.extract.lake import (
    PartitionUnit,
    list_partitions,
    partition_end,
    remove_partition,
    writing_partition,
)
from pipelines.features.scratch import Scratch
from pipelines.features.timing import EPOCH
from pipelines.features.views import ViewSpec

_INTERVAL: Final = "interval"
BATCH_ROWS: Final = 65_536
# Rows that are sorted at a time, in whole partitions.
_SORT_ROWS: Final = 1_000_000


Piece: TypeAlias = tuple[datetime, pa.RecordBatch]
"""Rows of one partition, and where that begins."""


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
    """Replace all of a lake's partitions by rows before `until`; None means no end."""

    lake: str
    partition: PartitionUnit
    scratch: Scratch
    until: datetime | None = None

    def write(self, dataset: Dataset, rows: ir.Table) -> dict[datetime, int]:
        """Replace the dataset's partitions; return the rows of each.

        Partitions without rows are removed. The same rows give the same bytes.

        Args:
            dataset: what is written.
            rows: read once for every block of partitions, so they had better be kept.

        Raises:
            FeatureBuildError: a column that may not be null is.
        """
        rows = stored(rows, dataset, self.partition)
        if self.until is not None:
            rows = rows.filter(rows[dataset.time] < self.until)
        counts: dict[datetime, int] = {}
        for block in _blocks(rows, self.scratch):
            # Of the time as it is kept: what cannot hold such rows is not read at all.
            time, end = rows[dataset.time], partition_end(block[-1], self.partition)
            inside = rows.filter(time >= block[0], time < end)
            query = self.scratch.connection.compile(in_order(inside, dataset))
            pieces = pieces_of(query, dataset, self.scratch.connection.con)
            counts |= write_rows(self.lake, dataset, pieces)
        remove_others(self.lake, dataset, counts)
        return counts


def stored(rows: ir.Table, dataset: Dataset, partition: PartitionUnit) -> ir.Table:
    """Select a dataset's columns in its types, and the interval of the partition of each row."""
    types = ibis.schema({field.name: field.type for field in dataset.schema})
    interval = rows[dataset.time].truncate("D" if partition == "day" else "M")
    typed = {name: rows[name].cast(dtype) for name, dtype in types.items()}
    return rows.select(**typed, **{_INTERVAL: interval})


def in_order(rows: ir.Table, dataset: Dataset) -> ir.Table:
    """Sort the rows of `stored` as they lie in the lake."""
    return rows.order_by(_INTERVAL, *dataset.order)


def pieces_of(query: str, dataset: Dataset, connection: DuckDBPyConnection) -> Iterator[Piece]:
    """Yield the rows of a query as they are to be written.

    Args:
        query: compiled from `in_order`.
        dataset: what is written.
        connection: to run it with.

    Raises:
        FeatureBuildError: a column that may not be null is.
    """
    # Not Ibis's to_pyarrow_batches: it calls a method that DuckDB 2 no longer has.
    for batch in connection.sql(query).to_arrow_reader(BATCH_ROWS):
        # As whole numbers: kept tables lose the zone, the machine's own may be another, and
        # PyArrow loads all of pandas to make a datetime.
        intervals = batch.column(_INTERVAL).cast(pa.int64())
        rows = _checked(batch.drop_columns([_INTERVAL]), dataset)
        ends = pc.run_end_encode(intervals)
        begin = 0
        for start, end in zip(ends.values.to_pylist(), ends.run_ends.to_pylist(), strict=True):
            yield EPOCH + timedelta(microseconds=start), rows.slice(begin, end - begin)
            begin = end


def write_rows(lake: str, dataset: Dataset, pieces: Iterator[Piece]) -> dict[datetime, int]:
    """Replace the partitions of some rows, given in order; return the rows of each."""
    counts = {}
    for start, inside in groupby(pieces, key=itemgetter(0)):
        with writing_partition(lake, dataset.folder, start, dataset.schema) as writer:
            for _, rows in inside:
                writer.write(rows)
            counts[start] = writer.row_count
    return counts


def remove_others(
    lake: str, dataset: Dataset, written: Collection[datetime], first: datetime | None = None
) -> None:
    """Remove the partitions from `first` on (None: all) that were not written."""
    for start in list_partitions(lake, dataset.folder):
        if start not in written and (first is None or start >= first):
            remove_partition(lake, dataset.folder, start)


def _blocks(rows: ir.Table, scratch: Scratch) -> Iterator[list[datetime]]:
    """Group the intervals, in order, into blocks that are sorted at once."""
    counts = rows.group_by(_INTERVAL).agg(row_count=rows.count()).order_by(_INTERVAL)
    block: list[datetime] = []
    size = 0
    for interval in scratch.connection.to_pyarrow(counts).to_pylist():
        if block and size + interval["row_count"] > _SORT_ROWS:
            yield block
            block, size = [], 0
        # A kept table's times have lost their zone.
        block.append(interval[_INTERVAL].replace(tzinfo=UTC))
        size += interval["row_count"]
    if block:
        yield block


def _checked(rows: pa.RecordBatch, dataset: Dataset) -> pa.RecordBatch:
    for field in dataset.schema:
        if not field.nullable and rows.column(field.name).null_count:
            raise FeatureBuildError(
                f"The column {field.name} of {dataset.name} holds nulls but may not: "
                "validate the history in the lake before features are built from it."
            )
    return rows.cast(dataset.schema)
