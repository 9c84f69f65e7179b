"""Times as integers since 1970 in UTC: microseconds, or nanoseconds where a column has them."""

from datetime import UTC, datetime, timedelta
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import ConstantExpression, Expression

from pipelines.errors import FeatureStoreError

MICROSECOND: Final = "us"
NANOSECOND: Final = "ns"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NANOSECOND_TYPES: Final = ("TIMESTAMP_NS", "TIMESTAMPTZ_NS")
_MICROSECOND_TYPES: Final = ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE")


def clock_unit(column_types: list[str], moments: pa.ChunkedArray) -> str:
    """Choose microseconds, unless a column's type is finer or a moment lies between two of them."""
    if any(name in _NANOSECOND_TYPES for name in column_types):
        return NANOSECOND
    if pa.types.is_timestamp(moments.type) and moments.type.unit == NANOSECOND:
        nanoseconds = moments.cast(pa.int64())
        whole = pc.multiply(pc.divide(nanoseconds, 1_000), 1_000)
        if pc.any(pc.not_equal(whole, nanoseconds)).as_py():
            return NANOSECOND
    return MICROSECOND


def integer_times(moments: pa.ChunkedArray, unit: str) -> pa.ChunkedArray:
    """Return timestamps as int64 counts of `unit`; naive ones are taken as UTC.

    Raises:
        FeatureStoreError: the column holds no timestamps, or one that int64 cannot count.
    """
    try:
        zone = moments.type.tz if pa.types.is_timestamp(moments.type) else None
        return moments.cast(pa.timestamp(unit, zone)).cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as err:
        raise FeatureStoreError(
            f"The event timestamps are {moments.type}: {err}; give a column of timestamps."
        ) from err


def microseconds(moment: datetime) -> int:
    """Return an aware moment as its count of microseconds."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def time_literal(column_type: str, count: int, unit: str) -> Expression | None:
    """Return a time as a literal of the column's own type, so that row groups can be skipped.

    `count` is rounded to the next whole microsecond at or after it. None where the type has no
    such literal or Python no such date.
    """
    if column_type not in _MICROSECOND_TYPES:
        return None
    microseconds = count if unit == MICROSECOND else -(-count // 1_000)
    try:
        moment = _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return None
    if column_type == "TIMESTAMP":
        moment = moment.replace(tzinfo=None)
    return ConstantExpression(moment)


def epoch_function(unit: str) -> str:
    """Name DuckDB's function from a timestamp to its integer count."""
    return f"epoch_{unit}"


def column_type(relation: duckdb.DuckDBPyRelation, name: str) -> str:
    """Return DuckDB's name of a column's type."""
    return str(relation.types[relation.columns.index(name)])
