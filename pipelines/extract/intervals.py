"""Half-open intervals of time, and the partitions of the lake they touch."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal, NamedTuple

from pipelines.errors import ExtractError

PartitionUnit = Literal["day", "month"]


class Interval(NamedTuple):
    """`[start, end)`, in UTC."""

    start: datetime
    end: datetime


def partition_start(moment: datetime, unit: PartitionUnit) -> datetime:
    """Return the start of the partition that `moment` falls into, in UTC.

    Raises:
        ExtractError: `moment` has no time zone.
    """
    if moment.tzinfo is None:
        raise ExtractError(f"A time without a time zone: {moment}. Pass a UTC time.")
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day if unit == "day" else day.replace(day=1)


def partition_end(start: datetime, unit: PartitionUnit) -> datetime:
    """Return the start of the partition after the one that starts at `start`."""
    days = 1 if unit == "day" else 32
    return partition_start(start + timedelta(days=days), unit)


def partitions(start: datetime, end: datetime, unit: PartitionUnit) -> list[Interval]:
    """List every whole partition that `[start, end)` touches, in order.

    Raises:
        ExtractError: `start` is not before `end`, or one of them has no time zone.
    """
    bounds = [partition_start(start, unit)]
    partition_start(end, unit)  # refuses a time without a zone
    if start >= end:
        raise ExtractError(f"The interval [{start}, {end}) is empty: start must lie before end.")
    while bounds[-1] < end:
        bounds.append(partition_end(bounds[-1], unit))
    return [Interval(*pair) for pair in pairwise(bounds)]
