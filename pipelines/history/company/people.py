"""People and teams: what they can do, when they work, and what they hold at the moment."""

from dataclasses import dataclass, field
from math import exp
from typing import TYPE_CHECKING

from pipelines.history.company.leave import Leave
from pipelines.history.company.shifts import NEVER, Shifts, Week

if TYPE_CHECKING:
    from pipelines.history.company.work import Task


@dataclass(eq=False, slots=True)
class Person:
    """Somebody who does tasks; the last fields are the state of the simulation."""

    index: int
    person_id: str
    name: str
    team: "Team"
    levels: dict[str, int]  # skill -> 1 (learning) to 5 (expert)
    slowness: float  # of the person's own, beside skill: 1 is average, 0.8 is fast
    capacity: int  # tasks held at once before no more are taken
    seniority_days: int  # since being hired, on the first day
    late_ratio: float  # share of events that are written down later
    week: Week
    leave: list[Leave]
    shifts: Shifts
    inbox: "list[Task]" = field(default_factory=list)
    current: "Task | None" = None
    open_at: int = NEVER
    open_until: int = NEVER
    wake_at: int | None = None
    completed_count: int = 0
    left_at: int | None = None

    @property
    def load(self) -> int:
        """Tasks held: the one at hand and the inbox."""
        return len(self.inbox) + (self.current is not None)

    @property
    def weekly_hours(self) -> float:
        """Contracted hours of a week."""
        return sum(hours[1] - hours[0] for hours in self.week if hours) / 3600

    def is_working(self, at: int) -> bool:
        """Tell whether a shift is open; remember it, as most questions fall into the same one."""
        if self.open_at <= at < self.open_until:
            return True
        self.open_at, self.open_until = self.shifts.current(at)
        return self.open_at <= at


@dataclass(eq=False, slots=True)
class Team:
    """People of one function at one site, with one queue for each skill."""

    index: int
    team_id: str
    name: str
    function: str
    site: int
    people: list[Person] = field(default_factory=list)
    by_skill: dict[str, list[Person]] = field(default_factory=dict)
    queues: "dict[str, list[tuple[int, int, Task]]]" = field(default_factory=dict)
    queued_count: int = 0

    @property
    def pressure(self) -> float:
        """How full the queue is: 0 empty, 1 two tasks or more for each person."""
        return min(1.0, self.queued_count / (2 * len(self.people)))


def pace_ratio(person: Person, skill: str) -> float:
    """Return how long the person takes for what takes an average person of level 3 one second."""
    return person.slowness * exp(-0.09 * (person.levels.get(skill, 1) - 3))
