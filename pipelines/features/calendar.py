"""Working time: how many seconds between two moments fall into working hours.

Monday to Friday, 8 to 18 UTC, without holidays. By arithmetic, not by counting days: the
working time since a Monday in the past is a closed formula of a moment, and the working time
between two moments is the difference of the two.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from pipelines.features.timing import (
    MICROSECONDS_PER_DAY,
    MICROSECONDS_PER_SECOND,
    seconds_between,
)

_HOUR_US: Final = 3_600 * MICROSECONDS_PER_SECOND
_START_US: Final = 8 * _HOUR_US
_WORKDAY_US: Final = 10 * _HOUR_US
_WORKDAYS: Final = 5
_DAYS: Final = 7
_FIRST_MONDAY: Final = 4  # 1970-01-05, in days since 1970-01-01


def working_seconds(start_us: ir.IntegerValue, end_us: ir.IntegerValue) -> ir.FloatingValue:
    """Return the working seconds from one moment to another, both in microseconds since 1970.

    Negative where the end lies before the start; null where either is null.
    """
    return seconds_between(_worked_us(start_us), _worked_us(end_us))


def _worked_us(moment_us: ir.IntegerValue) -> ir.IntegerValue:
    """Working microseconds from Monday, 1970-01-05, to a moment."""
    day = moment_us // MICROSECONDS_PER_DAY
    week = (day - _FIRST_MONDAY) // _DAYS
    weekday = day - _FIRST_MONDAY - week * _DAYS
    into_day = moment_us - day * MICROSECONDS_PER_DAY
    # Not `clip`, which writes each operand three times: `week` is null wherever these are.
    worked_us = ibis.greatest(0, ibis.least(into_day - _START_US, _WORKDAY_US))
    today = (weekday < _WORKDAYS).ifelse(worked_us, 0)
    return (week * _WORKDAYS + ibis.least(weekday, _WORKDAYS)) * _WORKDAY_US + today
