"""Random questions."""

from datetime import UTC, datetime, timedelta
from math import inf

import numpy as np

from pipelines.learning.allocation import AvailablePerson, Estimates, OpenTask

AS_OF = datetime(2024, 3, 4, 9, tzinfo=UTC)  # a Monday
SKILLS = ("billing", "drafting", "review")
Question = tuple[list[OpenTask], list[AvailablePerson], Estimates]


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def week(
    *, begin: int = 8, length: float = 8, days: int = 5
) -> tuple[tuple[datetime, datetime], ...]:
    first = AS_OF.replace(hour=begin)
    return tuple(
        (first + timedelta(day), first + timedelta(day) + hours(length)) for day in range(days)
    )


def task(task_id: str, **facts: object) -> OpenTask:
    return OpenTask(task_id, f"W-{task_id}", "do", **facts)  # type: ignore[arg-type]


def person(person_id: str, **facts: object) -> AvailablePerson:
    return AvailablePerson(person_id, **{"working": week(), **facts})  # type: ignore[arg-type]


def even(tasks: int, people: int, each: float = 1.0) -> Estimates:
    return Estimates(np.full((tasks, people), each))


def question(seed: int, task_count: int, person_count: int, *, is_tight: bool) -> Question:
    """Draw tasks with skills, due dates, predecessors and exclusions, and people with bounds."""
    draw = np.random.default_rng(seed)
    people = [
        person(
            f"P-{number}",
            working=week(
                begin=int(draw.integers(6, 11)),
                length=float(draw.choice([3, 5.5, 8])),
                days=int(draw.integers(1 if is_tight else 5, 8)),
            ),
            skills=frozenset(draw.choice(SKILLS, draw.integers(1, 4), replace=False)),
            team_id=str(draw.choice(["north", "south"])),
            busy_until=AS_OF + hours(draw.uniform(-3, 9)) if draw.random() < 0.5 else None,
            max_tasks=int(draw.integers(0, 4)) if is_tight and draw.random() < 0.5 else None,
            max_hours=float(draw.uniform(0, 9)) if is_tight and draw.random() < 0.4 else None,
        )
        for number in range(person_count)
    ]
    tasks = [
        task(
            f"T-{number}",
            required_skills=frozenset(draw.choice(SKILLS, draw.integers(0, 3), replace=False)),
            due_at=AS_OF + hours(draw.uniform(-20, 90)) if draw.random() < 0.8 else None,
            ready_at=AS_OF + hours(draw.uniform(-20, 40)) if draw.random() < 0.4 else None,
            priority=float(draw.choice([0.5, 1, 3])),
            team_id=str(draw.choice(["north", "south"])) if draw.random() < 0.2 else None,
            predecessors=tuple(
                f"T-{one}" for one in range(number) if draw.random() < 1 / (2 + task_count)
            ),
            excluded_person_ids=frozenset(one.person_id for one in people if draw.random() < 0.1),
        )
        for number in range(task_count)
    ]
    estimates = draw.lognormal(0.5, 0.8, (task_count, person_count))
    estimates[draw.random(estimates.shape) < 0.05] = inf
    return tasks, people, Estimates(estimates)
