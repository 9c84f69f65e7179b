"""What a plan is made from: open tasks, the people at hand, estimates and what counts how much."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from math import inf, isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.errors import AllocationError

Period = tuple[datetime, datetime]


@dataclass(frozen=True)
class OpenTask:
    """One task to plan.

    `ready_at` is when it can begin (None: at once); `due_at` when it should have ended (None:
    no due date). `priority` multiplies what its lateness and its waiting cost. It begins after
    all of `predecessors` that are among the open tasks; others count as done. Only people of
    `team_id` (None: of any team) who have all of `required_skills` and are not among
    `excluded_person_ids` (who did the work may not review it) may do it.
    """

    task_id: str
    workflow_id: str
    activity: str
    required_skills: frozenset[str] = frozenset()
    due_at: datetime | None = None
    ready_at: datetime | None = None
    priority: float = 1.0
    predecessors: tuple[str, ...] = ()
    team_id: str | None = None
    excluded_person_ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class AvailablePerson:
    """One person who can take tasks.

    `working` holds the half-open periods of work up to the horizon, the only time in which
    tasks advance: a task may stop at the end of one and go on in the next. Nothing new begins
    before `busy_until`. `max_tasks` and `max_hours` (of estimated service) bound what the plan
    may give in all; None is without bound.
    """

    person_id: str
    working: tuple[Period, ...]
    skills: frozenset[str] = frozenset()
    team_id: str | None = None
    busy_until: datetime | None = None
    max_tasks: int | None = None
    max_hours: float | None = None


@dataclass(frozen=True)
class Estimates:
    """Expected service hours, shape (tasks, people) in the order in which both are given.

    Infinity says that a person cannot do a task. `spread_ratio` is the standard deviation of an
    estimate's error as a part of the estimate; with it a task that is planned to end just
    before its due date already has an expected lateness.
    """

    hours: npt.NDArray[np.float64]
    spread_ratio: float = 0.0


@dataclass(frozen=True)
class Weights:
    """What counts how much: the plan has the least sum of these, over all tasks.

    `lateness`: an hour of expected lateness, times priority. `time`: an hour from the moment
    the task could begin to its end, times priority. `work`: an hour of service, so that of two
    people who end alike the quicker one does it.
    """

    lateness: float = 1.0
    time: float = 0.05
    work: float = 0.05
    patience_h: float = 30.0


def check(
    tasks: Sequence[OpenTask],
    people: Sequence[AvailablePerson],
    estimates: Estimates,
    as_of: datetime,
    weights: Weights,
) -> None:
    """Refuse a question that has no answer.

    Raises:
        AllocationError: an id occurs twice, a moment has no time zone, a period ends before it
            begins, or the estimates, priorities or weights are not what they should be.
    """
    _refuse_twice([task.task_id for task in tasks], "task")
    _refuse_twice([person.person_id for person in people], "person")
    _check_estimates(estimates, len(tasks), len(people))
    for name, weight in vars(weights).items():
        if not weight >= 0 or (weight == inf and name != "patience_h"):
            raise AllocationError(f"The weight of {name} is {weight}: give 0 or more.")
    if not weights.patience_h > 0:
        raise AllocationError(f"The patience is {weights.patience_h} hours: give more than 0.")
    _refuse_naive("as_of", as_of)
    for task in tasks:
        if not (isfinite(task.priority) and task.priority > 0):
            raise AllocationError(
                f"Task {task.task_id} has priority {task.priority}: give a number above 0."
            )
        _refuse_naive(f"Task {task.task_id}", task.ready_at, task.due_at)
    for person in people:
        _check_person(person)


def _check_estimates(estimates: Estimates, task_count: int, person_count: int) -> None:
    hours = estimates.hours
    if hours.shape != (task_count, person_count):
        raise AllocationError(
            f"Estimates have the shape {hours.shape}; {task_count} tasks and {person_count} "
            f"people need ({task_count}, {person_count})."
        )
    if not np.all(hours > 0):  # false for NaN as well
        raise AllocationError(
            "Every estimate is hours above 0, or infinity where a person cannot do a task."
        )
    if not (isfinite(estimates.spread_ratio) and estimates.spread_ratio >= 0):
        raise AllocationError(
            f"The spread of the estimates is {estimates.spread_ratio}: give 0 or more."
        )


def _check_person(person: AvailablePerson) -> None:
    moments = chain.from_iterable(person.working)
    _refuse_naive(f"Person {person.person_id}", person.busy_until, *moments)
    for begin, end in person.working:
        if end <= begin:
            raise AllocationError(
                f"A working period of {person.person_id} ends at {end}, not after {begin}."
            )
    for name, bound in (("max_tasks", person.max_tasks), ("max_hours", person.max_hours)):
        if bound is not None and not bound >= 0:
            raise AllocationError(f"{name} of {person.person_id} is {bound}: give 0 or more.")


def _refuse_twice(ids: Sequence[str], kind: str) -> None:
    if len(set(ids)) < len(ids):
        seen: set[str] = set()
        twice = next(one for one in ids if one in seen or seen.add(one))  # type: ignore[func-returns-value]
        raise AllocationError(f"The {kind} {twice} is given twice: give each {kind} once.")


def _refuse_naive(what: str, *moments: Any) -> None:
    for moment in moments:
        if moment is not None and moment.tzinfo is None:
            raise AllocationError(f"{what}: {moment} has no time zone; give it one, say UTC.")
