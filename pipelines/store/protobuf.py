"""Feast's own online format: one protobuf message a value, times exact to the microsecond.

Feast keeps timestamps online in whole seconds, its offline files in microseconds. Here a
timestamp goes online as a count of microseconds (`int64_val`), so both sides give the same.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
from feast.protos.feast.types.Value_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp  # type: ignore[import-untyped]

from pipelines.history.schema import TIMESTAMP

_SECOND: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS: Final[dict[pa.DataType, str]] = {
    pa.string(): "string_val",
    pa.int64(): "int64_val",
    TIMESTAMP: "int64_val",
    pa.bool_(): "bool_val",
}
_DOUBLE: Final = np.dtype([("tag", "u1"), ("value", "<f8")])
_DOUBLE_TAG: Final = 0x29  # field 5, eight bytes


def encoded_values(column: pa.ChunkedArray) -> list[bytes]:
    """Encode a column as Feast does; null becomes a value that is not set: no bytes."""
    if column.type == pa.float64():
        return _encoded_doubles(column)
    field = _FIELDS[column.type]
    plain = column.cast(pa.int64()) if column.type == TIMESTAMP else column
    return _looked_up(plain.to_pylist(), lambda x: Value(**{field: x}).SerializeToString())


def encoded_times(column: pa.ChunkedArray) -> list[bytes]:
    """Encode event times (no nulls) as Feast keeps them beside a view's features."""

    def encoded(count: int) -> bytes:
        seconds, rest = divmod(count, _SECOND)
        return bytes(Timestamp(seconds=seconds, nanos=rest * 1_000).SerializeToString())

    return _looked_up(column.cast(pa.int64()).to_pylist(), encoded)


@lru_cache(65_536)
def decoded_time(encoded: bytes) -> int:
    """Return an event time as its count of microseconds."""
    time = Timestamp.FromString(encoded)
    return int(time.seconds) * _SECOND + int(time.nanos) // 1_000


@lru_cache(65_536)
def decoded_text(encoded: bytes | None) -> str | None:
    """Return a text feature's value; None where it is missing or not set."""
    value = Value.FromString(encoded or b"")
    return value.string_val if value.WhichOneof("val") == "string_val" else None


def decoded_value(encoded: bytes | None, kind: pa.DataType) -> Any:
    """Return a feature's plain value; None where it is missing or not set."""
    value = Value.FromString(encoded or b"")
    field = value.WhichOneof("val")
    if field is None:
        return None
    if field == "unix_timestamp_val":  # written by Feast's own materialisation
        return as_datetime(value.unix_timestamp_val * _SECOND)
    plain = getattr(value, field)
    return as_datetime(plain) if kind == TIMESTAMP else plain


def as_datetime(count: int) -> datetime:
    """Return microseconds since 1970 as an aware moment."""
    return _EPOCH + timedelta(microseconds=count)


def _encoded_doubles(column: pa.ChunkedArray) -> list[bytes]:
    whole = np.empty(len(column), _DOUBLE)
    whole["tag"], whole["value"] = _DOUBLE_TAG, column.fill_null(0.0).to_numpy()
    text, size = whole.tobytes(), _DOUBLE.itemsize
    values = [text[at : at + size] for at in range(0, len(text), size)]
    for place in np.flatnonzero(column.is_null().to_numpy()):
        values[place] = b""
    return values


def _looked_up(values: list[Any], encode: Callable[[Any], bytes]) -> list[bytes]:
    # Most columns repeat their values, and making a message costs more than looking one up.
    made: dict[Any, bytes] = {None: b""}
    for value in set(values) - {None}:
        made[value] = encode(value)
    return [made[value] for value in values]
