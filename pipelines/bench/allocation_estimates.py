"""What a trial's policies know: estimates learned from the history before the trial."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp, log
from statistics import median
from typing import Final

import numpy as np

from pipelines.contracts import Transition
from pipelines.history.company.journal import TRANSITIONS, Journal
from pipelines.history.company.people import Person
from pipelines.history.company.simulation import Simulation
from pipelines.history.company.work import Task

_PRIOR_TASKS: Final = 8.0  # observations that a mean of others weighs like, beside one's own
_BEGINS: Final = (Transition.STARTED, Transition.RESUMED)
_STOPS: Final = (Transition.SUSPENDED, Transition.COMPLETED)
_MIDDLE_COMPLEXITY: Final = 3


@dataclass(frozen=True)
class Done:
    """One completed task: what was known at its creation, who completed it, and its hours."""

    activity: str
    person: int
    complexity: int
    is_again: bool
    hours: float


class History:
    """Expected hours by activity, person and stated complexity.

    Medians of log hours by activity; on what is left over them a slope by complexity, and
    means by person and by person and activity, drawn towards 0 where there are few tasks.
    """

    def __init__(self, done: Iterable[Done]) -> None:
        rows = list(done)
        by_activity = _grouped(((row.activity, row.is_again), log(row.hours)) for row in rows)
        self._base = {key: median(values) for key, values in by_activity.items()}
        self._usual = median(log(row.hours) for row in rows)
        rest = [log(row.hours) - self._base[row.activity, row.is_again] for row in rows]
        degrees = np.array([row.complexity - _MIDDLE_COMPLEXITY for row in rows], float)
        self._slope = float(np.cov(degrees, rest)[0, 1] / max(np.var(degrees, ddof=1), 1e-9))
        rest = [one - self._slope * degree for one, degree in zip(rest, degrees, strict=True)]
        self._person = _shrunken((row.person, one) for row, one in zip(rows, rest, strict=True))
        rest = [one - self._person[row.person] for row, one in zip(rows, rest, strict=True)]
        self._habit = _shrunken(
            ((row.person, row.activity), one) for row, one in zip(rows, rest, strict=True)
        )
        rest = [
            one - self._habit[row.person, row.activity] for row, one in zip(rows, rest, strict=True)
        ]
        # The mean of a lognormal lies above its median: what people get to do adds up means.
        self._mean_ratio = exp(float(np.var(rest)) / 2)

    def hours(self, person: int, activity: str, complexity: int, *, is_again: bool) -> float:
        """Return the expected hours of service."""
        base = self._base.get((activity, is_again), self._base.get((activity, False), self._usual))
        return self._mean_ratio * exp(
            base
            + self._slope * (complexity - _MIDDLE_COMPLEXITY)
            + self._person.get(person, 0.0)
            + self._habit.get((person, activity), 0.0)
        )

    def of(self, person: Person, task: Task) -> float:
        """Return the expected hours of an open task, half of them if it was begun before."""
        step = task.workflow.template.steps[task.step]
        is_again = task.returned_by is not None or (
            step.reviews is not None and task.workflow.return_count > 0
        )
        hours = self.hours(person.index, step.activity, task.complexity, is_again=is_again)
        return hours / 2 if task.is_started else hours


def learn(simulation: Simulation, now: int) -> History:
    """Learn from what is recorded before `now`."""
    return History(_done_tasks(simulation, now))


def _done_tasks(simulation: Simulation, now: int) -> Iterable[Done]:
    journal, people = simulation.journal, simulation.company.people
    attributes = [json.loads(text) for text in journal.attributes]
    activities = list(journal.activities)
    begun: dict[int, int] = {}
    spent: dict[int, int] = {}
    complexity: dict[int, int] = {}
    again = _repeated(journal)
    tasks = journal.tasks[:, :2].tolist()
    for task, code, person, at, recorded_at, document in journal.events.tolist():
        if recorded_at >= now:
            continue
        transition = TRANSITIONS[code]
        if transition is Transition.CREATED:
            complexity[task] = attributes[document]["complexity"]
        elif transition in _BEGINS:
            begun[task] = at
        elif transition in _STOPS and task in begun:
            worked = people[person].shifts.worked_until
            spent[task] = spent.get(task, 0) + worked(at) - worked(begun.pop(task))
        if transition is Transition.COMPLETED and spent.get(task) and task in complexity:
            _, activity = tasks[task]
            yield Done(
                activity=activities[activity],
                person=person,
                complexity=complexity[task],
                is_again=task in again,
                hours=spent[task] / 3600,
            )


def _repeated(journal: Journal) -> set[int]:
    """Return the tasks whose workflow had a task of the same activity before."""
    seen: set[tuple[int, int]] = set()
    again = set()
    for number, key in enumerate(map(tuple, journal.tasks[:, :2].tolist())):
        if key in seen:
            again.add(number)
        seen.add(key)
    return again


def _grouped(pairs: Iterable[tuple[object, float]]) -> dict[object, list[float]]:
    groups: dict[object, list[float]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def _shrunken(pairs: Iterable[tuple[object, float]]) -> Mapping[object, float]:
    return {
        key: sum(values) / (len(values) + _PRIOR_TASKS) for key, values in _grouped(pairs).items()
    }
