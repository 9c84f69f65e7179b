"""Times as integers since 1970 in UTC: microseconds, or nanoseconds where a column has them."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.errors import FeatureStoreError

MICROSECOND: Final = "us"
NANOSECOND: Final = "ns"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NANOSECOND_TYPES: Final = ("TIMESTAMP_NS", "TIMESTAMPTZ_NS")


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
    return (moment - EPOCH) // timedelta(microseconds=1)
