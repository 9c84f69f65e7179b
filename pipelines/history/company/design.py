"""The organisation before its first day: how large it is, its sites, teams, people and clients."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pipelines.history.company.clients import Client, find_clients
from pipelines.history.company.hiring import hire
from pipelines.history.company.people import Person, Team, pace_ratio
from pipelines.history.company.shifts import DAY_S, Days, Shifts
from pipelines.history.company.templates import (
    FUNCTION_OF_SKILL,
    FUNCTIONS,
    REWORK_RATIO,
    TEMPLATES,
    Template,
)

_OFFICE_WEEK: Final = ((8 * 3600, 16 * 3600),) * 5 + (None, None)

# 20,000 tasks keep 60 people busy for about 13 months. A larger history is mostly a larger
# company: the time grows with the eighth root, to about 21 months for 1,000,000 tasks.
_USUAL_TASKS: Final = 20_000
_USUAL_PEOPLE: Final = 60
_USUAL_DAYS: Final = 400
_FEWEST_PEOPLE: Final = 18  # three in each function, so that somebody is always there

# Share of working time that tasks fill on average. Waiting for clients, the search for a
# person with the skill, leave and seasons make queues well below 1.
_UTILISATION: Final = 0.79
_HIGHEST_UTILISATION: Final = 0.84  # of any one team
# Real hours per planned hour: few cases are easy, and long ones are longer than short ones short.
_HOURS_FACTOR: Final = 1.10
_BETWEEN_TASKS_H: Final = 0.16
_RETURNED_RATIO: Final = 0.18  # of reviews


@dataclass(frozen=True)
class Company:
    """Everything that is settled before the first workflow arrives."""

    start: datetime
    days: Days
    office: Shifts  # promises and clients' answers count in its hours
    site_count: int
    teams: list[Team]
    people: list[Person]
    clients: list[Client]
    templates: tuple[Template, ...]
    workflows_per_day: float

    def instant(self, at: int) -> datetime:
        """Turn simulated seconds into the moment they stand for."""
        return _midnight(self.start) + timedelta(seconds=at)

    def seconds(self, moment: datetime) -> int:
        """Turn a moment into simulated seconds."""
        return int((moment - _midnight(self.start)).total_seconds())


def design_company(task_count: int, seed: int, start: datetime) -> Company:
    """Design a company that makes about `task_count` tasks in 13 to 21 months.

    Small histories are shorter (the square root of the share) and never have less than
    18 people.
    """
    scale = task_count / _USUAL_TASKS
    planned_days = _USUAL_DAYS * (scale**0.125 if scale > 1 else scale**0.5)
    head_count = max(_FEWEST_PEOPLE, round(_USUAL_PEOPLE * scale * _USUAL_DAYS / planned_days))
    site_count = max(1, round(head_count / _USUAL_PEOPLE))
    # Calendars reach well beyond the plan: quiet years take longer.

    days = Days(start.date(), int(planned_days * 1.5) + 200)
    hours = _hours_by_skill()
    staff = hire(seed, days, site_count=site_count, head_count=head_count, skill_hours=hours)
    teams = staff.teams
    work_days = max(planned_days, 30.0)
    rates = [
        _workflows_per_day(local, hours, work_days)
        for local in (
            teams[at : at + len(FUNCTIONS)] for at in range(0, len(teams), len(FUNCTIONS))
        )
    ]
    return Company(
        start=start,
        days=days,
        office=Shifts(days, _OFFICE_WEEK),
        site_count=site_count,
        teams=teams,
        people=staff.people,
        clients=find_clients(seed, rates, max(40, 2 * head_count)),
        templates=TEMPLATES,
        workflows_per_day=sum(rates),
    )


def _midnight(start: datetime) -> datetime:
    return start.replace(hour=0, minute=0, second=0, microsecond=0)


def _workflows_per_day(teams: list[Team], hours: dict[str, float], day_count: float) -> float:
    """Return how many workflows a day the teams of a site can take on."""
    until = int(day_count * DAY_S)
    supply, demand = [], []
    for team in teams:
        pace = [
            person.shifts.worked_until(until) / pace_ratio(person, next(iter(person.levels)))
            for person in team.people
        ]
        supply.append(sum(pace) / 3600 / day_count)
        demand.append(sum(hours[skill] for skill in FUNCTIONS[team.function]))
    tightest = min(own / asked for own, asked in zip(supply, demand, strict=True))
    return min(_UTILISATION * sum(supply) / sum(demand), _HIGHEST_UTILISATION * tightest)


def _hours_by_skill() -> dict[str, float]:
    """Mean planned hours of each skill per workflow, passed-by steps left out."""
    hours = dict.fromkeys(FUNCTION_OF_SKILL, 0.0)
    total = sum(template.weight for template in TEMPLATES)
    for template in TEMPLATES:
        reviewed = {step.reviews for step in template.steps}
        for step in template.steps:
            share = step.share * (1 - template.rejected_ratio if step.only_accepted else 1)
            each = step.hours * _HOURS_FACTOR + _BETWEEN_TASKS_H
            if step.reviews is not None:
                share *= 1 + _RETURNED_RATIO
            elif step.activity in reviewed:
                share *= 1 + REWORK_RATIO * _RETURNED_RATIO
            hours[step.skill] += template.weight / total * share * each
    return hours
