"""Values between Arrow and Feast's protobuf, times exact to the microsecond.

Feast's own online format has whole seconds for timestamps, its offline files microseconds. Here
a timestamp goes online as a count of microseconds (`int64_val`), so both sides give the same.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import pyarrow as pa
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from pipelines.history.schema import TIMESTAMP

_MISSING: Final = Value()
_SECOND: Final = 1_000_000
_FIELDS: Final[dict[pa.DataType, str]] = {
    pa.string(): "string_val",
    pa.int64(): "int64_val",
    TIMESTAMP: "int64_val",
    pa.float64(): "double_val",
    pa.bool_(): "bool_val",
}


def values_of(column: pa.ChunkedArray | pa.Array) -> list[Value]:
    """Convert a column; null becomes a value that is not set."""
    field = _FIELDS[column.type]
    plain = column.cast(pa.int64()) if column.type == TIMESTAMP else column
    # Most columns repeat their values, and making a message costs more than looking one up.
    made: dict[Any, Value] = {None: _MISSING}
    values = []
    for x in plain.to_pylist():
        value = made.get(x)
        if value is None:
            value = made[x] = Value(**{field: x})
        values.append(value)
    return values


def array_of(values: Iterable[Value], kind: pa.DataType) -> pa.Array:
    """Convert values back to an Arrow array of `kind`; a value that is not set becomes null."""
    plain = [_plain(value) for value in values]
    if kind == TIMESTAMP:
        return pa.array(plain, pa.int64()).cast(TIMESTAMP)
    return pa.array(plain, kind)


def entity_keys(names: Sequence[str], columns: Sequence[Sequence[str]]) -> list[EntityKey]:
    """Make the keys of rows whose join keys have these names and values (text)."""
    return [
        EntityKey(join_keys=names, entity_values=[Value(string_val=part) for part in row])
        for row in zip(*columns, strict=True)
    ]


def _plain(value: Value) -> Any:
    field = value.WhichOneof("val")
    if field is None:
        return None
    if field == "unix_timestamp_val":  # written by Feast's own materialisation
        return value.unix_timestamp_val * _SECOND
    return getattr(value, field)
