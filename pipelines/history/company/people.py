"""People and teams: skills and their levels, working weeks, leave, and habits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from math import exp
from typing import TYPE_CHECKING, Final

from pipelines.history.company.draws import Draws
from pipelines.history.company.leave import Leave, draw_leave
from pipelines.history.company.shifts import NEVER, Shifts, Week
from pipelines.history.company.templates import FUNCTIONS

if TYPE_CHECKING:
    from pipelines.history.company.work import Task

_FIRST_NAMES: Final = (
    "Ada", "Bruno", "Chiara", "Dmitri", "Elif", "Farah", "Goran", "Hana", "Ines", "Jonas",
    "Kaya", "Leon", "Mira", "Nils", "Olga", "Pavel", "Quinn", "Rosa", "Sami", "Tea",
    "Umar", "Vera", "Wim", "Xenia", "Yara", "Zoran",
)  # fmt: skip
_LAST_NAMES: Final = (
    "Abbot", "Bianchi", "Costa", "Dahl", "Ekman", "Ferro", "Grant", "Haas", "Ito", "Jensen",
    "Kowal", "Lind", "Moreau", "Novak", "Okoro", "Petit", "Quist", "Rossi", "Silva", "Toth",
    "Urban", "Vidal", "Weber", "Yilmaz", "Ziegler",
)  # fmt: skip
_FEWEST_IN_TEAM: Final = 3
_FIELD_LATE_FACTOR: Final = 2.5  # who is on the road writes things down in the evening


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


def hire(
    seed: int,
    first: date,
    day_count: int,
    site_count: int,
    head_count: int,
    skill_hours: Mapping[str, float],
) -> tuple[list[Team], list[Person]]:
    """Hire `head_count` people, each where work per person is highest by then.

    `skill_hours` says how much of each skill a workflow needs on average.
    """
    draws = Draws(seed, "people")
    teams: list[Team] = []
    people: list[Person] = []
    hours = {name: sum(skill_hours[s] for s in skills) for name, skills in FUNCTIONS.items()}
    for site in range(site_count):
        local = {name: _found(len(teams) + i, name, site) for i, name in enumerate(FUNCTIONS)}
        teams += local.values()
        pace = dict.fromkeys(FUNCTIONS, 0.0)  # average people's working seconds a function has
        until = round(head_count * (site + 1) / site_count)
        while len(people) < until:
            function = _most_short_of_people(local, hours, pace)
            team = local[function]
            skill = _scarcest_skill(team, skill_hours)
            person = _hire_one(draws, len(people), team, skill, first, day_count)
            team.people.append(person)
            people.append(person)
            pace[function] += person.shifts.worked[-1] / pace_ratio(person, skill)
        for team in local.values():
            team.by_skill = {
                skill: [person for person in team.people if skill in person.levels]
                for skill in FUNCTIONS[team.function]
            }
    return teams, people


def pace_ratio(person: Person, skill: str) -> float:
    """Return how long the person takes for what takes an average person of level 3 one second."""
    return person.slowness * exp(-0.09 * (person.levels.get(skill, 1) - 3))


def _found(index: int, function: str, site: int) -> Team:
    return Team(
        index=index,
        team_id=f"{function}-{site + 1:02d}",
        name=f"{function.replace('-', ' ').capitalize()} {site + 1}",
        function=function,
        site=site,
        queues={skill: [] for skill in FUNCTIONS[function]},
    )


def _most_short_of_people(
    teams: Mapping[str, Team], hours: Mapping[str, float], pace: Mapping[str, float]
) -> str:
    """Name the function with most work per person's pace; the smallest teams come first."""

    def need(function: str) -> tuple[bool, float]:
        is_small = len(teams[function].people) < _FEWEST_IN_TEAM
        return is_small, hours[function] / max(1.0, pace[function])

    return max(teams, key=need)


def _scarcest_skill(team: Team, skill_hours: Mapping[str, float]) -> str:
    """Name the skill of the team that most people, for its hours, still have to be hired for."""
    place = len(team.people) + 1
    total = sum(skill_hours[skill] for skill in FUNCTIONS[team.function])

    def missing(skill: str) -> float:
        main_count = sum(next(iter(person.levels)) == skill for person in team.people)
        return place * skill_hours[skill] / total - main_count

    return max(FUNCTIONS[team.function], key=missing)


def _hire_one(
    draws: Draws, index: int, team: Team, main: str, first: date, day_count: int
) -> Person:
    place = len(team.people)
    other = next(skill for skill in FUNCTIONS[team.function] if skill != main)
    level = min(5, max(1, round(3.1 + 1.2 * draws.normal())))
    levels = {main: level}
    second = min(5, max(1, level - 1 + round(0.7 * draws.normal())))
    # Every second person stands in for the other skill, and so do some of the rest.
    if place % 2 == 0 or draws.uniform() < 0.35:
        levels[other] = second
    week = _draw_week(draws, team.function, place)
    leave = draw_leave(draws, first, day_count)
    name = (
        f"{_FIRST_NAMES[int(draws.uniform() * len(_FIRST_NAMES))]} "
        f"{_LAST_NAMES[int(draws.uniform() * len(_LAST_NAMES))]}"
    )
    late = min(0.15, draws.lognormal(0.018, 0.6))
    return Person(
        index=index,
        person_id=f"P-{index + 1:05d}",
        name=name,
        team=team,
        levels=levels,
        slowness=draws.lognormal(1.0, 0.16),
        capacity=2 + int(draws.uniform() * 3),
        seniority_days=30 + int(draws.uniform() * 3_000),
        late_ratio=late * (_FIELD_LATE_FACTOR if team.function == "field-service" else 1),
        week=week,
        leave=leave,
        shifts=Shifts(first, day_count, week, _absent_days(leave, first)),
    )


def _draw_week(draws: Draws, function: str, place: int) -> Week:
    """Draw a weekly calendar: full time, four days, mornings, or with a Saturday."""
    opens = int((7 + 0.5 * int(draws.uniform() * 6)) * 3600)
    kind = draws.uniform()
    full = (opens, opens + 8 * 3600)
    if function == "service-desk" and place % 4 == 3:
        return (None, full, full, full, full, full, None)
    if kind < 0.74:
        return (full,) * 5 + (None, None)
    if kind < 0.90:
        free = int(draws.uniform() * 5)
        return tuple(None if day in (free, 5, 6) else full for day in range(7))
    return ((opens, opens + 5 * 3600),) * 5 + (None, None)


def _absent_days(leave: list[Leave], first: date) -> set[int]:
    """Number the days of leave from the first day."""
    return {
        number
        for spell in leave
        for number in range((spell.starts_on - first).days, (spell.ends_on - first).days + 1)
    }
