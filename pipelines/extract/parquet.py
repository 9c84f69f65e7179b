"""Write Parquet so that the same rows always give the same bytes."""

from types import TracebackType
from typing import IO, Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

# Rows of one row group, however the rows arrive: the bytes must not depend on that.
GROUP_ROWS: Final = 131_072


class FixedGroupsWriter:
    """Write record batches of any size as row groups of a fixed size."""

    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        self.row_count = 0
        self._schema = schema
        self._waiting: list[pa.Table] = []
        self._waiting_count = 0
        # Version and compression are said, so that a new default changes nothing unseen.
        self._writer: Any = pq.ParquetWriter(
            file, schema, version="2.6", compression="zstd", compression_level=3
        )

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Append rows of the writer's schema."""
        if isinstance(rows, pa.RecordBatch):
            rows = pa.Table.from_batches([rows])
        self._waiting.append(rows)
        self._waiting_count += rows.num_rows
        self.row_count += rows.num_rows
        if self._waiting_count >= GROUP_ROWS:
            self._flush(keep_rest=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._flush(keep_rest=False)
        self._writer.close()

    def _flush(self, *, keep_rest: bool) -> None:
        rows = pa.concat_tables(self._waiting or [self._schema.empty_table()])
        whole = rows.num_rows - rows.num_rows % GROUP_ROWS if keep_rest else rows.num_rows
        if whole:
            # One chunk a column: a page ends at chunk borders otherwise.
            self._writer.write_table(rows.slice(0, whole).combine_chunks(), GROUP_ROWS)
        rest = rows.slice(whole)
        self._waiting = [rest] if rest.num_rows else []
        self._waiting_count = rest.num_rows
