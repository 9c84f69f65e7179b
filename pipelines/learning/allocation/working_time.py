"""One person's calendar as an axis of working seconds, so that a schedule is a mere sum."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Final

from pipelines.learning.allocation.problem import Period

_REMEMBERED: Final = 256  # up to some ten kilobytes each


class WorkingTime:
    """Free working time from `as_of` on; moments are seconds since `as_of`, 0 work is the start.

    What lies before `as_of` or `busy_until` is cut off; periods that touch or overlap are one.
    Not changed once it is made: plans share it.
    """

    __slots__ = ("begins", "ends", "total", "worked")

    def __init__(
        self, periods: Iterable[Period], as_of: datetime, busy_until: datetime | None = None
    ) -> None:
        free_from = 0.0 if busy_until is None else max(0.0, _seconds(as_of, busy_until))
        self.begins: list[float] = []
        self.ends: list[float] = []
        for period in sorted(periods):
            begin, end = _seconds(as_of, period[0]), _seconds(as_of, period[1])
            begin = max(begin, free_from)
            if end <= begin:
                continue
            if self.ends and begin <= self.ends[-1]:
                self.ends[-1] = max(end, self.ends[-1])
                continue
            self.begins.append(begin)
            self.ends.append(end)
        self.worked: list[float] = []  # work up to each period's end
        self.total = 0.0
        for begin, end in zip(self.begins, self.ends, strict=True):
            self.total += end - begin
            self.worked.append(self.total)

    def end_of(self, work_s: float) -> float:
        """Return when `work_s` working seconds have gone by: the end of a period is in time."""
        index = bisect_left(self.worked, work_s)
        return self.ends[index] - (self.worked[index] - work_s)

    def begin_of(self, work_s: float) -> float:
        """Return when work can go on after `work_s` seconds: the end of a period is too late."""
        index = min(bisect_right(self.worked, work_s), len(self.worked) - 1)
        return self.ends[index] - (self.worked[index] - work_s)

    def work_until(self, moment: float) -> float:
        """Return the working seconds gone by at a moment."""
        index = bisect_right(self.begins, moment) - 1
        if index < 0:
            return 0.0
        return self.worked[index] - max(0.0, self.ends[index] - moment)


@lru_cache(_REMEMBERED)
def working_time(
    periods: tuple[Period, ...], as_of: datetime, busy_until: datetime | None
) -> WorkingTime:
    """Return the calendar of some periods; the same ones are asked for again and again."""
    return WorkingTime(periods, as_of, busy_until)


def _seconds(as_of: datetime, moment: datetime) -> float:
    return (moment - as_of).total_seconds()
