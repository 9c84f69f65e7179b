"""Time as whole microseconds and days since 1970 (UTC), exact and the same on every engine."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from struct import pack
from typing import Final, TypeAlias

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from pipelines.history.schema import TIMESTAMP

MICROSECONDS_PER_SECOND: Final = 1_000_000
MICROSECONDS_PER_DAY: Final = 86_400 * MICROSECONDS_PER_SECOND
_SECONDS_PER_DAY: Final = 86_400
# A UTC day counted from 1970-01-01: a number, or an expression of one.
Day: TypeAlias = int | ir.IntegerValue


@dataclass(frozen=True)
class Span:
    """UTC days from `first` to `last`, both included; None means no bound."""

    first: Day | None = None
    last: Day | None = None


EVERY_DAY: Final = Span()
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@ibis.udf.scalar.builtin(name="epoch_us", signature=(("timestamp('UTC')",), "int64"))  # type: ignore[untyped-decorator]
def microseconds(moment: ir.TimestampValue) -> ir.IntegerValue:
    """Express a timestamp as microseconds since 1970-01-01 UTC.

    DuckDB's own function: thirty times as fast as a difference of timestamps. Spark is taught it
    (`spark_session.open_spark`).
    """


def seconds_between(start_us: ir.IntegerValue, end_us: ir.IntegerValue) -> ir.FloatingValue:
    """Return the seconds from one moment to another, both in microseconds."""
    return (end_us - start_us) / MICROSECONDS_PER_SECOND


def milliseconds(seconds: ir.FloatingValue) -> ir.IntegerValue:
    """Round seconds to whole milliseconds, whose sums are exact in any order."""
    return (seconds * 1_000).round().cast("int64")


def scalar_of(moment: datetime) -> pa.Scalar:
    """Return a moment as Arrow's timestamp in UTC."""
    # Not `pa.scalar`: it loads all of pandas, for a third of a second.
    count = (moment - EPOCH) // timedelta(microseconds=1)
    return pa.Array.from_buffers(TIMESTAMP, 1, [None, pa.py_buffer(pack("=q", count))])[0]


def day_number(moment_us: ir.IntegerValue) -> ir.IntegerValue:
    """Return the UTC day of a moment in microseconds, counted from 1970-01-01."""
    return moment_us // MICROSECONDS_PER_DAY


def first_moment(day: ir.IntegerValue) -> ir.TimestampValue:
    """Return the first microsecond of a UTC day given by its number."""
    return (day * _SECONDS_PER_DAY).as_timestamp("s").cast("timestamp('UTC')")


def last_moment(day: ir.IntegerValue) -> ir.TimestampValue:
    """Return the last microsecond of a UTC day given by its number."""
    next_day = ((day + 1) * _SECONDS_PER_DAY).as_timestamp("s")
    return (next_day - ibis.interval(microseconds=1)).cast("timestamp('UTC')")
