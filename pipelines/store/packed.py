"""A view's whole row as one value: what makes reading a hundred rows cost a millisecond.

Feast keeps every feature in a field of its own. Fetching and parsing those is most of a read's
time, so materialisation writes each row once more, packed, in the same command:

    layout's fingerprint, event time, created time   8 bytes each, times in microseconds
    which columns are null                           a bit each, in words of 64
    the columns in order                             8 bytes; a truth value 1; a text's size 4
    the texts, one after the other                   UTF-8

Little-endian, without gaps. The fingerprint comes from names and types, so a row that another
version of the views packed is not misread, but not read.
"""

import hashlib
import struct
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP
from pipelines.features.views import ViewSpec
from pipelines.history.schema import TIMESTAMP
from pipelines.store.online_rows import OnlineRow
from pipelines.store.protobuf import as_datetime

_CODES: Final[dict[pa.DataType, str]] = {
    pa.float64(): "d",
    pa.int64(): "q",
    TIMESTAMP: "q",
    pa.bool_(): "?",
    pa.string(): "I",
}
_NUMPY: Final = {"d": "<f8", "q": "<i8", "?": "?", "I": "<u4", "Q": "<u8"}
_WORD: Final = 64
_HEAD: Final = 3


class RowFormat:
    """Packs and unpacks the rows of one view."""

    def __init__(self, spec: ViewSpec) -> None:
        self._columns = spec.columns
        codes = [_CODES[column.dtype] for column in spec.columns]
        self._words = -(-len(codes) // _WORD)
        described = "\n".join(f"{column.name} {column.dtype}" for column in spec.columns)
        digest = hashlib.sha256(described.encode()).digest()
        self._fingerprint = int.from_bytes(digest[:8], "little")
        all_codes = ["Q", "q", "q", *"Q" * self._words, *codes]
        self._struct = struct.Struct("<" + "".join(all_codes))
        self._dtype = np.dtype([(f"f{i}", _NUMPY[code]) for i, code in enumerate(all_codes)])
        self._first = _HEAD + self._words
        self._texts = [i for i, code in enumerate(codes) if code == "I"]
        self._times = [i for i, column in enumerate(spec.columns) if column.dtype == TIMESTAMP]

    def pack(self, rows: pa.Table) -> list[bytes]:
        """Pack rows of the view's schema."""
        fixed = np.zeros(rows.num_rows, self._dtype)
        fixed["f0"] = self._fingerprint
        fixed["f1"] = _integers(rows.column(EVENT_TIMESTAMP))
        fixed["f2"] = _integers(rows.column(CREATED_TIMESTAMP))
        texts = []
        for i, column in enumerate(self._columns):
            values = rows.column(column.name)
            word, bit = divmod(i, _WORD)
            is_null = values.is_null().to_numpy().astype(np.uint64)
            fixed[f"f{_HEAD + word}"] |= is_null << np.uint64(bit)
            if column.dtype == pa.string():
                texts.append(values.cast(pa.binary()).fill_null(b"").to_pylist())
            fixed[f"f{self._first + i}"] = _plain(values)
        whole, size = fixed.tobytes(), self._dtype.itemsize
        heads = [whole[at : at + size] for at in range(0, len(whole), size)]
        return [b"".join(parts) for parts in zip(heads, *texts, strict=True)] if texts else heads

    def unpack(self, packed: bytes) -> OnlineRow | None:
        """Unpack one row; None where it was packed by another layout."""
        if len(packed) < self._struct.size:
            return None
        fields = self._struct.unpack_from(packed)
        if fields[0] != self._fingerprint:
            return None
        values = fields[self._first :]
        nulls = fields[_HEAD] if self._words == 1 else _joined(fields[_HEAD : self._first])
        if self._texts or self._times or nulls:
            values = self._finished(packed, list(values), nulls)
        return OnlineRow(fields[1], fields[2], values)

    def _finished(self, packed: bytes, values: list[Any], nulls: int) -> tuple[Any, ...]:
        at = self._struct.size
        for i in self._texts:
            end = at + values[i]
            values[i] = packed[at:end].decode()
            at = end
        for i in self._times:
            values[i] = as_datetime(values[i])
        while nulls:
            lowest = nulls & -nulls
            values[lowest.bit_length() - 1] = None
            nulls ^= lowest
        return tuple(values)


def _joined(words: tuple[int, ...]) -> int:
    return sum(word << (_WORD * i) for i, word in enumerate(words))


def _integers(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    return np.asarray(column.cast(pa.int64()).to_numpy())


def _plain(values: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Return the fixed part of a column: its numbers, or its texts' sizes in bytes."""
    if values.type == pa.string():
        return np.asarray(pc.binary_length(values.cast(pa.binary())).fill_null(0).to_numpy())
    if values.type == TIMESTAMP:
        values = values.cast(pa.int64())
    filler = False if values.type == pa.bool_() else 0
    return np.asarray(values.fill_null(filler).to_numpy(zero_copy_only=False))
