"""Rows that were refused: why, and the file they are collected in."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.history.schema import REJECTED_ROWS

VALUE_LENGTH: Final = 200

# Noncharacters of Unicode (never valid in a file) that mark, between decoding a file and
# refusing the row, where bytes did not decode and where XML forbids the character.
UNDECODABLE: Final = "\ufdd0"
FORBIDDEN: Final = "\ufdd1"


class Reason(StrEnum):
    """Why a row was refused; few and fixed, so that a summary can count them."""

    MISSING_KEY = "missing key"
    UNPARSABLE_TIME = "unparsable time"
    IMPOSSIBLE_TIME = "impossible time"
    RECORDED_TOO_EARLY = "recorded before it occurred"
    COMPLETION_BEFORE_START = "completion before start"
    UNKNOWN_TRANSITION = "unknown transition (name it under [transitions] in the mapping)"
    DUPLICATE_EVENT = "duplicate event"
    BAD_ENCODING = "bad encoding (set reading.encoding in the mapping if it is not UTF-8)"
    NUL_CHARACTER = "NUL or other control character"
    WRONG_COLUMN_COUNT = "wrong number of columns"
    MALFORMED_QUOTING = "malformed quoting"
    TOO_LONG = "value too long"
    NOT_A_NUMBER = "not a number (declare the attribute as text, or list the value as missing)"
    NOT_A_BOOLEAN = "not true or false (declare the attribute as text)"
    TRUNCATED_GZIP = "gzip data ends early; what came before was kept"
    DAMAGED_GZIP = "gzip data is damaged; what came before was kept"
    TRUNCATED_XML = "XML ends early; what came before was kept"
    MALFORMED_XML = "malformed XML; what came before was kept, nothing after it was read"


class RejectedRow(NamedTuple):
    """One refused row: 1-based number, the column and value at fault where known, and why."""

    row_number: int
    column_name: str | None
    value: str | None
    reason: Reason


def shorten(value: str | None) -> str | None:
    """Cut a value to what is kept of it, free of characters no database stores."""
    if value is None:
        return None
    readable = value[:VALUE_LENGTH].replace(UNDECODABLE, "\ufffd").replace(FORBIDDEN, "\ufffd")
    return readable.replace("\0", "\ufffd")


class RejectedRowsWriter:
    """Write refused rows to one Parquet file as they come, in chunks."""

    def __init__(self, path: Path) -> None:
        self.count = 0
        self._writer = pq.ParquetWriter(path, REJECTED_ROWS)

    def write(self, rows: Iterable[RejectedRow]) -> None:
        """Append the rows, their values cut to 200 characters."""
        chunk: Sequence[RejectedRow] = list(rows)
        if not chunk:
            return
        columns = [
            [row.row_number for row in chunk],
            [shorten(row.column_name) for row in chunk],
            [shorten(row.value) for row in chunk],
            [row.reason.value for row in chunk],
        ]
        self._writer.write_table(pa.table(columns, schema=REJECTED_ROWS))
        self.count += len(chunk)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()
