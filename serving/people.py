"""People as the source has them: their hours, skills and teams."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Period = tuple[datetime, datetime]

# Where the source does not tell anybody's hours.
_USUAL: Mapping[str, Sequence[Sequence[str]]] = {
    str(weekday): (("09:00", "17:00"),) for weekday in range(1, 6)
}


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
        zone = ZoneInfo(self.time_zone or "UTC")
        hours: Mapping[str, Any] = self.working_hours or _USUAL
        first = as_of.astimezone(zone).date()
        found = []
        for day in (first + timedelta(days=ahead) for ahead in range(days + 1)):
            for begin, end in hours.get(str(day.isoweekday()), ()):
                begins, ends = (
                    datetime.combine(day, time.fromisoformat(text), zone) for text in (begin, end)
                )
                if ends > as_of and ends > begins:
                    found.append((begins, ends))
        return tuple(found)
