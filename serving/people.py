"""People as the source has them: their hours, skills and teams."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

Period = tuple[datetime, datetime]
Hours = tuple[tuple[tuple[str, str], ...], ...]  # of Monday, of Tuesday, and so on

_WEEKDAYS: Final = ("1", "2", "3", "4", "5", "6", "7")
# Where the source does not tell anybody's hours.
_USUAL: Mapping[str, Sequence[Sequence[str]]] = {
    weekday: [("09:00", "17:00")] for weekday in _WEEKDAYS[:5]
}
_REMEMBERED: Final = 256  # calendars, up to some ten kilobytes each


@dataclass(frozen=True)
class Person:
    """One person; hours by ISO weekday, local to the time zone."""

    person_id: str
    team_id: str | None
    time_zone: str | None
    working_hours: Mapping[str, Sequence[Sequence[str]]]
    skills: Collection[str] = ()

    def periods(self, as_of: datetime, days: int) -> tuple[Period, ...]:
        """Return the periods of work of the coming days; nine to five where none are known."""
        known = self.working_hours or _USUAL
        hours = tuple(tuple((begin, end) for begin, end in known.get(one, ())) for one in _WEEKDAYS)
        return _periods(self.time_zone or "UTC", hours, as_of, days)


# Many have the same hours, and the clock of the answers stands still between two builds.
@lru_cache(_REMEMBERED)
def _periods(time_zone: str, hours: Hours, as_of: datetime, days: int) -> tuple[Period, ...]:
    zone = ZoneInfo(time_zone)
    times = [[tuple(map(time.fromisoformat, period)) for period in of_day] for of_day in hours]
    first = as_of.astimezone(zone).date()
    found = []
    for day in (first + timedelta(days=ahead) for ahead in range(days + 1)):
        for period in times[day.weekday()]:
            local = [datetime.combine(day, at, zone) for at in period]
            # In UTC they are compared and subtracted at a fraction of the cost.
            begins, ends = (moment.astimezone(UTC) for moment in local)
            # Where clocks are put forward, a period may begin in the hour they leave out.
            if local[0] < local[1] and begins < ends and ends > as_of:
                found.append((begins, ends))
    return tuple(found)
