"""Working time of one calendar by arithmetic: no minute ticks, every question is a bisection.

Moments are whole seconds since the simulation's first midnight (UTC).
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

DAY_S: Final = 86_400
NEVER: Final = 1 << 60

# Per weekday (Monday first) the opening and closing second of the day, or None.
Week = Sequence[tuple[int, int] | None]

_HOLIDAYS: Final = frozenset({(1, 1), (5, 1), (12, 25), (12, 26)})  # month, day


@dataclass(frozen=True)
class Days:
    """The days calendars are laid out for."""

    first: date
    count: int


class Shifts:
    """The shifts of one calendar, in order, one at most a day."""

    __slots__ = ("closes", "opens", "worked")

    def __init__(self, days: Days, week: Week, absent: Collection[int] = ()) -> None:
        """Lay out the shifts of `days`; `absent` holds day numbers without work."""
        self.opens = array("q")
        self.closes = array("q")
        self.worked = array("q")  # seconds of work up to each shift's end
        total = 0
        for number in range(days.count):
            day = days.first + timedelta(days=number)
            hours = week[day.weekday()]
            if hours is None or number in absent or (day.month, day.day) in _HOLIDAYS:
                continue
            self.opens.append(number * DAY_S + hours[0])
            self.closes.append(number * DAY_S + hours[1])
            total += hours[1] - hours[0]
            self.worked.append(total)

    def current(self, at: int) -> tuple[int, int]:
        """Return opening and closing of the shift open at `at`, else of an empty one."""
        index = bisect_right(self.opens, at) - 1
        if index >= 0 and at < self.closes[index]:
            return self.opens[index], self.closes[index]
        return (NEVER, NEVER)

    def next_open(self, at: int) -> int:
        """Return the first moment of work not before `at`, or NEVER."""
        index = bisect_right(self.closes, at)
        return max(at, self.opens[index]) if index < len(self.opens) else NEVER

    def last_close(self, at: int) -> int | None:
        """Return the last closing not after `at`, or None."""
        index = bisect_right(self.closes, at) - 1
        return self.closes[index] if index >= 0 else None

    def worked_until(self, at: int) -> int:
        """Return the seconds of work between the first midnight and `at`."""
        index = bisect_right(self.opens, at) - 1
        if index < 0:
            return 0
        return self.worked[index] - max(0, self.closes[index] - at)

    def finish(self, at: int, work_s: int) -> int:
        """Return when `work_s` seconds begun at `at` are done: a closing is in time."""
        target = self.worked_until(at) + work_s
        return self._moment(bisect_left(self.worked, target), target)

    def after(self, at: int, work_s: int) -> int:
        """Return when work can start `work_s` working seconds after `at`: a closing is too late."""
        target = self.worked_until(at) + work_s
        return self._moment(bisect_right(self.worked, target), target)

    def _moment(self, index: int, target: int) -> int:
        if index >= len(self.worked):
            return NEVER
        return self.closes[index] - (self.worked[index] - target)

    def end_at(self, at: int) -> None:
        """Take away all work from `at` on."""
        count = bisect_left(self.opens, at)
        del self.opens[count:], self.closes[count:], self.worked[count:]
        if count and self.closes[-1] > at:
            self.worked[-1] -= self.closes[-1] - at
            self.closes[-1] = at
