"""A judge of plans that knows the question and the plan's times, not how plans are made."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from math import inf
from typing import Final

from pipelines.learning.allocation import (
    Assignment,
    AvailablePerson,
    Constraint,
    Estimates,
    OpenTask,
    Plan,
)

_ROUNDING: Final = 1e-6


def violations(
    plan: Plan, tasks: Sequence[OpenTask], people: Sequence[AvailablePerson], estimates: Estimates
) -> list[str]:
    """Name every constraint a plan breaks, and tasks it neither plans nor explains."""
    by_task, by_person = {one.task_id: one for one in tasks}, {one.person_id: one for one in people}
    row = {one.task_id: number for number, one in enumerate(tasks)}
    column = {one.person_id: number for number, one in enumerate(people)}
    ends = {one.task_id: one.planned_end_at for one in plan.assignments}
    broken: list[str] = []
    held: dict[str, list[Assignment]] = {one.person_id: [] for one in people}
    for one in plan.assignments:
        held[one.person_id].append(one)
        task, person = by_task[one.task_id], by_person[one.person_id]
        hours = float(estimates.hours[row[one.task_id], column[one.person_id]])
        broken += _broken_pairing(one, task, person, hours)
        broken += _broken_times(one, task, person, plan.as_of)
        for before in task.predecessors:
            if before in by_task and ends.get(before, one.planned_end_at) > one.planned_start_at:
                broken.append(f"{one.task_id} begins before {before} has ended")
    for person in people:
        broken += _broken_bounds(person, held[person.person_id])
    return broken + _untold(plan, by_task)


def _broken_pairing(
    one: Assignment, task: OpenTask, person: AvailablePerson, hours: float
) -> list[str]:
    holds = {
        "skills": task.required_skills <= person.skills,
        "team": task.team_id in {None, person.team_id},
        "excluded": person.person_id not in task.excluded_person_ids,
        "work": hours < inf and abs(_worked_s(person, one) - hours * 3600) <= 1,
    }
    return [f"{one.task_id}: {name}" for name, is_kept in holds.items() if not is_kept]


def _broken_times(
    one: Assignment, task: OpenTask, person: AvailablePerson, as_of: datetime
) -> list[str]:
    begin = one.planned_start_at
    holds = {
        "at work": any(opens <= begin < closes for opens, closes in person.working),
        "ready": begin >= max(as_of, task.ready_at or as_of),
        "busy": begin >= (person.busy_until or as_of),
    }
    return [f"{one.task_id}: {name}" for name, is_kept in holds.items() if not is_kept]


def _worked_s(person: AvailablePerson, one: Assignment) -> float:
    begin, end = one.planned_start_at, one.planned_end_at
    return sum(
        max(0.0, (min(end, closes) - max(begin, opens)).total_seconds())
        for opens, closes in person.working
    )


def _broken_bounds(person: AvailablePerson, held: Sequence[Assignment]) -> list[str]:
    who, broken = person.person_id, []
    if person.max_tasks is not None and len(held) > person.max_tasks:
        broken.append(f"{who}: {len(held)} tasks")
    hours = sum(one.expected_service_s for one in held) / 3600
    if person.max_hours is not None and hours > person.max_hours + _ROUNDING:
        broken.append(f"{who}: {hours} hours")
    in_order = sorted(held, key=lambda one: (one.planned_start_at, one.planned_end_at))
    return broken + [
        f"{who}: {one.task_id} and {later.task_id} at once"
        for one, later in pairwise(in_order)
        if later.planned_start_at < one.planned_end_at
    ]


def _untold(plan: Plan, tasks: dict[str, OpenTask]) -> list[str]:
    planned = [one.task_id for one in plan.assignments]
    hard = [one.task_id for one in plan.unmet if one.constraint is not Constraint.DUE_DATE]
    late = {one.task_id for one in plan.unmet if one.constraint is Constraint.DUE_DATE}
    broken = []
    if sorted([*planned, *hard]) != sorted(tasks):
        broken.append("a task is neither planned nor explained, or both, or twice")
    for one in plan.assignments:
        due_at = tasks[one.task_id].due_at
        if (due_at is not None and one.planned_end_at > due_at) != (one.task_id in late):
            broken.append(f"{one.task_id}: late and not said so, or the reverse")
    return broken
