"""A view's whole row as one value: what makes reading a hundred rows cost a millisecond.

Feast keeps every feature in a field of its own. Fetching and parsing those is most of a read's
time, so materialisation writes each row once more, packed, in the same command:

    layout's fingerprint, event time, created time   8 bytes each, times in microseconds
    which columns are null                           a bit each, in words of 64
    the columns in order                             8 bytes; a truth value 1; a text's size 4
    the texts, one after the other                   UTF-8
    the event time as Feast's own field has it       protobuf

Little-endian, without gaps. The fingerprint comes from names and types, so a row that another
version of the views packed is not misread, but not read. The end tells whether Feast's fields
have been written by somebody else since.
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
from pipelines.store.protobuf import as_datetime, encoded_times

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
        layout = struct.Struct("<" + "".join(all_codes))
        self._size, self._unpack_from = layout.size, layout.unpack_from
        self._dtype = np.dtype([(f"f{i}", _NUMPY[code]) for i, code in enumerate(all_codes)])
        self._first = _HEAD + self._words
        self._texts = [i for i, code in enumerate(codes) if code == "I"]
        self._times = [i for i, column in enumerate(spec.columns) if column.dtype == TIMESTAMP]
        self._is_plain = not self._texts and not self._times and self._words == 1

    def pack(self, rows: pa.Table) -> list[bytes]:
        """Pack rows of the view's schema."""
        times = encoded_times(rows.column(EVENT_TIMESTAMP))
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
        return [b"".join(parts) for parts in zip(heads, *texts, times, strict=True)]

    def unpack(self, packed: bytes, time: bytes, first_us: int) -> OnlineRow | None:
        """Unpack one row; None where it is of another layout, or of another time than `time`.

        A row whose event time lies before `first_us` has expired and has no features.
        """
        # Once for each key and view of a question: every call less counts.
        if not packed.endswith(time) or len(packed) < self._size:
            return None
        fields = self._unpack_from(packed)
        if fields[0] != self._fingerprint:
            return None
        if fields[1] < first_us:
            return OnlineRow(fields[1], fields[2], None)
        if self._is_plain and not fields[_HEAD]:
            return OnlineRow(fields[1], fields[2], fields[_HEAD + 1 :])
        return OnlineRow(fields[1], fields[2], self._finished(packed, fields))

    def _finished(self, packed: bytes, fields: tuple[Any, ...]) -> tuple[Any, ...]:
        values = list(fields[self._first :])
        at = self._size
        for i in self._texts:
            end = at + values[i]
            values[i] = packed[at:end].decode()
            at = end
        for i in self._times:
            values[i] = as_datetime(values[i])
        for word, nulls in enumerate(fields[_HEAD : self._first]):
            left = nulls
            while left:
                values[_WORD * word + left.bit_length() - 1] = None
                left ^= 1 << (left.bit_length() - 1)
        return tuple(values)


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
