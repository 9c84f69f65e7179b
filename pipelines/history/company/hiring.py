"""Hiring: as many people for each function as its work needs, each with skills and a week."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from pipelines.history.company.draws import Draws, Weighted
from pipelines.history.company.leave import Leave, draw_leave
from pipelines.history.company.people import Person, Team, pace_ratio
from pipelines.history.company.shifts import Days, Shifts, Week
from pipelines.history.company.templates import FUNCTIONS

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
_BOTH_SKILLS_RATIO: Final = 0.35  # of those who need not stand in for the other skill
_FORMS: Final = Weighted(("full time", "four days", "mornings"), (0.74, 0.16, 0.10))
_FIELD_LATE_FACTOR: Final = 2.5  # who is on the road writes things down in the evening


@dataclass(frozen=True)
class Workforce:
    """Everybody, and the teams they are in: those of site 1 first, in order of FUNCTIONS."""

    teams: list[Team]
    people: list[Person]


def hire(
    seed: int,
    days: Days,
    *,
    site_count: int,
    head_count: int,
    skill_hours: Mapping[str, float],
) -> Workforce:
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
            person = _hire_one(draws, days, len(people), team, skill)
            team.people.append(person)
            people.append(person)
            pace[function] += person.shifts.worked[-1] / pace_ratio(person, skill)
        for team in local.values():
            team.by_skill = {
                skill: [person for person in team.people if skill in person.levels]
                for skill in FUNCTIONS[team.function]
            }
    return Workforce(teams, people)


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


def _hire_one(draws: Draws, days: Days, index: int, team: Team, main: str) -> Person:
    place = len(team.people)
    other = next(skill for skill in FUNCTIONS[team.function] if skill != main)
    level = min(5, max(1, round(3.1 + 1.2 * draws.normal())))
    levels = {main: level}
    second = min(5, max(1, level - 1 + round(0.7 * draws.normal())))
    # Every second person stands in for the other skill, and so do some of the rest.
    if place % 2 == 0 or draws.uniform() < _BOTH_SKILLS_RATIO:
        levels[other] = second
    week = _draw_week(draws, team.function, place)
    leave = draw_leave(draws, days.first, days.count)
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
        shifts=Shifts(days, week, _absent_days(leave, days.first)),
    )


def _draw_week(draws: Draws, function: str, place: int) -> Week:
    """Draw a weekly calendar: full time, four days, mornings, or with a Saturday."""
    opens = int((7 + 0.5 * int(draws.uniform() * 6)) * 3600)
    form = _FORMS.choose(draws)
    full = (opens, opens + 8 * 3600)
    if function == "service-desk" and (place + 1) % 4 == 0:
        return (None, full, full, full, full, full, None)
    if form == "full time":
        return (full,) * 5 + (None, None)
    if form == "four days":
        free = int(draws.uniform() * 5)
        return tuple(None if day in (free, 5, 6) else full for day in range(7))
    return ((opens, opens + 5 * 3600),) * 5 + (None, None)


def _absent_days(leave: list[Leave], first: date) -> set[int]:
    """Return the numbers of the days of leave, counted from the first day."""
    return {
        number
        for spell in leave
        for number in range((spell.starts_on - first).days, (spell.ends_on - first).days + 1)
    }
