"""Durations and moments as people say them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

_HOUR_S = 3600.0
_DAY_S = 86_400.0
_NAMED = 3
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def duration(seconds: float) -> str:
    """Say seconds in the unit that fits: 12 min, 3.5 h, 2.1 d."""
    if seconds < _HOUR_S:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * _DAY_S:
        return f"{seconds / _HOUR_S:.1f} h"
    return f"{seconds / _DAY_S:.1f} d"


def moment(as_of: datetime, seconds: float) -> str:
    """Say a moment some seconds after `as_of`, in the zone of `as_of`: Mon 2024-01-01 09:30."""
    # Not by strftime, which shows among what a short plan costs.
    at = (as_of + timedelta(seconds=seconds)).replace(tzinfo=None)
    return f"{_WEEKDAYS[at.weekday()]} {at.isoformat(' ', 'minutes')}"


def listed(names: Sequence[str]) -> str:
    """Say the first few of many names, and how many more there are."""
    shown = ", ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"
