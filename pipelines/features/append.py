"""Add an interval's rows to the partition in which it begins, whose rows lie in order already."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.extract.lake import partition_path
from pipelines.features.timing import scalar_of
from pipelines.features.write import BATCH_ROWS, Dataset, Piece


def rows_before(
    lake: str, dataset: Dataset, start: datetime, since: datetime
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a partition that lie before a moment, in order; none where it is not."""
    filesystem, path = fsspec.core.url_to_fs(partition_path(lake, dataset.folder, start))
    if not filesystem.exists(path):
        return
    with filesystem.open(path, "rb") as file:
        for batch in pq.ParquetFile(file).iter_batches(BATCH_ROWS, use_threads=False):
            rows = batch.filter(pc.less(batch.column(dataset.time), scalar_of(since)))
            if rows.num_rows:
                yield rows.cast(dataset.schema)


def merged(
    older: Iterator[pa.RecordBatch], new: Iterator[Piece], start: datetime, order: Sequence[str]
) -> Iterator[Piece]:
    """Put the older rows of a partition and new rows of it and of later ones in order.

    New rows mostly come after all older ones, so only what lies behind the first new row is
    sorted once more.

    Args:
        older: of the partition, in order.
        new: in order of partitions, and within each of them.
        start: of the partition.
        order: columns that the rows are sorted by.
    """
    first = next(new, None)
    if first is None or first[0] != start:
        yield from ((start, rows) for rows in older)
        if first is not None:
            yield first
        yield from new
        return
    lowest = _key(first[1], order, 0)
    behind: list[pa.RecordBatch] = []
    for rows in older:
        cut = (
            0
            if behind
            else bisect_left(range(rows.num_rows), lowest, key=partial(_key, rows, order))
        )
        if cut:
            yield start, rows.slice(0, cut)
        if cut < rows.num_rows:
            behind.append(rows.slice(cut))
    if not behind:
        yield first
        yield from new
        return
    after: Piece | None = None
    behind.append(first[1])
    for piece in new:
        if piece[0] != start:
            after = piece
            break
        behind.append(piece[1])
    together = pa.Table.from_batches(behind).sort_by([(name, "ascending") for name in order])
    yield from ((start, rows) for rows in together.to_batches())
    if after is not None:
        yield after
    yield from new


def _key(rows: pa.RecordBatch, order: Sequence[str], number: int) -> tuple[Any, ...]:
    columns = (rows.column(name) for name in order)
    return tuple(_plain(column)[number].as_py() for column in columns)


def _plain(column: pa.Array) -> pa.Array:
    # PyArrow loads all of pandas to make a datetime.
    return column.view(pa.int64()) if pa.types.is_timestamp(column.type) else column
