"""Leave: holidays people plan and days they are ill."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from pipelines.history.company.draws import Draws

# Month and day around which a holiday begins, its working days, and how widely it is spread.
_HOLIDAYS: Final = (
    ((4, 5), 5, 35.0),
    ((7, 25), 10, 32.0),
    ((10, 10), 5, 35.0),
    ((12, 21), 5, 6.0),
)
_ILL_PER_YEAR: Final = 2.2
_FRIDAY: Final = 4


@dataclass(frozen=True)
class Leave:
    """Days away, both ends included."""

    starts_on: date
    ends_on: date
    kind: str  # holiday | illness

    @property
    def day_count(self) -> int:
        """Calendar days away."""
        return (self.ends_on - self.starts_on).days + 1


def draw_leave(draws: Draws, first: date, day_count: int) -> list[Leave]:
    """Draw one person's leave over `day_count` days, in order and without overlap."""
    last = first + timedelta(days=day_count)
    spells: list[Leave] = []
    for year in range(first.year, last.year + 1):
        for (month, day), length, spread in _HOLIDAYS:
            begin = date(year, month, day) + timedelta(days=round(spread * draws.normal()))
            weeks = max(1, round(length + 2 * draws.normal()))
            spells.append(_spell(begin, weeks, "holiday"))
        for _ in range(int(draws.generator.poisson(_ILL_PER_YEAR))):
            begin = date(year, 1, 1) + timedelta(days=int(draws.uniform() * 365))
            spells.append(_spell(begin, 1 + int(draws.lognormal(1.2, 0.8)), "illness"))
    kept: list[Leave] = []
    for spell in sorted(spells, key=lambda one: (one.starts_on, one.ends_on, one.kind)):
        apart = not kept or spell.starts_on > kept[-1].ends_on
        if apart and first <= spell.starts_on and spell.ends_on < last:
            kept.append(spell)
    return kept


def _spell(begin: date, work_days: int, kind: str) -> Leave:
    """Let `work_days` days away begin on a working day, weekends in between included."""
    while begin.weekday() > _FRIDAY:
        begin += timedelta(days=1)
    end = begin
    for _ in range(work_days - 1):
        end += timedelta(days=1)
        while end.weekday() > _FRIDAY:
            end += timedelta(days=1)
    return Leave(begin, end, kind)
