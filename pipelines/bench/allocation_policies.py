"""The policies of the trial: simple rules, and the planned allocation."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from pipelines.bench.allocation_dispatch import Pair, Policy
from pipelines.bench.allocation_estimates import History
from pipelines.history.company.people import Person, Team
from pipelines.history.company.shifts import DAY_S
from pipelines.history.company.work import Task
from pipelines.learning.allocation import (
    AvailablePerson,
    Estimates,
    OpenTask,
    Weights,
    plan_allocation,
)

PRESENT: Final = "present practice"
PLANNED: Final = "planned allocation"
POLICY_NAMES: Final = (
    PRESENT, "random", "first in, first out", "shortest first", "least loaded",
    "earliest due first", PLANNED,
)  # fmt: skip

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HORIZON_DAYS: Final = 14
_LOOK_AHEAD: Final = 4  # tasks of a skill beyond those that could begin now
_LEAST_LEFT: Final = 0.25  # of the estimate, of work that has taken longer than expected


class Ordered:
    """Take tasks in the order of a key; each goes to whom holds least among those who can do it.

    `fills_hands`: people are given tasks up to their capacity, as in the company's practice;
    otherwise one at a time.
    """

    def __init__(self, key: Callable[[Task], float], *, fills_hands: bool = False) -> None:
        self._key = key
        self._fills_hands = fills_hands

    def room(self, person: Person) -> int:
        """Return how many more tasks a person may be given now."""
        return (person.capacity if self._fills_hands else 1) - person.load

    def decide(
        self, now: int, team: Team, waiting: Sequence[Task], free: Sequence[Person]
    ) -> list[Pair]:
        """Pair in order of the key, then of creation."""
        del now, team
        room = {person: self.room(person) for person in free}
        pairs = []
        for task in sorted(waiting, key=lambda one: (self._key(one), one.index)):
            able = [one for one in free if task.skill in one.levels and room[one] > 0]
            if able:
                person = min(able, key=self._preference(room))
                room[person] -= 1
                pairs.append((task, person))
        return pairs

    def _preference(self, room: dict[Person, int]) -> Callable[[Person], tuple[float, int]]:
        return lambda one: (self.room(one) - room[one] + one.load, one.index)


class AtRandom(Ordered):
    """Any waiting task to any free person who can do it."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311
        super().__init__(lambda _: self._random.random())

    def _preference(self, room: dict[Person, int]) -> Callable[[Person], tuple[float, int]]:
        del room
        return lambda one: (self._random.random(), one.index)


class Planned:
    """Plan the team's open work anew at each decision; hand out what the plan begins now."""

    def __init__(
        self, history: History, weights: Weights | None = None, spread_ratio: float = 0.0
    ) -> None:
        self._history = history
        self._weights = weights
        self._spread_ratio = spread_ratio

    def room(self, person: Person) -> int:
        """Return 1 for a person with nothing at hand."""
        return 1 - person.load

    def decide(
        self, now: int, team: Team, waiting: Sequence[Task], free: Sequence[Person]
    ) -> list[Pair]:
        """Pair what the plan begins now; nobody who could begin something stays idle."""
        if len(waiting) == 1:
            able = [one for one in free if waiting[0].skill in one.levels]
            if not able[1:]:
                return [(waiting[0], one) for one in able]
        people = [one for one in team.people if one.left_at is None]
        first = _due_first(waiting, len(free) + _LOOK_AHEAD)
        free_by_id = {one.person_id: one for one in free}
        tasks = {f"{task.index:09d}": task for task in first}
        plan = plan_allocation(
            [self._open_task(task_id, task) for task_id, task in tasks.items()],
            [self._available(one, now) for one in people],
            Estimates(
                np.array([[self._history.of(one, task) for one in people] for task in first]),
                self._spread_ratio,
            ),
            _moment(now),
            self._weights,
            alternative_count=0,
        )
        pairs = [
            (tasks[one.task_id], free_by_id.pop(one.person_id))
            for one in plan.assignments
            if one.planned_start_at <= plan.as_of and one.person_id in free_by_id
        ]
        # A plan may keep somebody for later; new tasks come in before that pays.
        for person in free_by_id.values():
            taken = {task for task, _ in pairs}
            left = [one for one in first if one.skill in person.levels and one not in taken]
            if left:
                pairs.append((left[0], person))
        return pairs

    def _open_task(self, task_id: str, task: Task) -> OpenTask:
        workflow = task.workflow
        activity = workflow.template.steps[task.step].activity
        # Due with its workflow, whatever is still to come after it: where most are late, less
        # time for beginnings would put them before what could be finished.
        return OpenTask(
            task_id=task_id,
            workflow_id=str(workflow.index),
            activity=activity,
            required_skills=frozenset((task.skill,)),
            due_at=_moment(workflow.due_at),
        )

    def _available(self, person: Person, now: int) -> AvailablePerson:
        return AvailablePerson(
            person_id=person.person_id,
            working=_working(person, now),
            skills=frozenset(person.levels),
            busy_until=self._busy_until(person, now),
        )

    def _busy_until(self, person: Person, now: int) -> datetime | None:
        """Expect the end of what a person has in hand; work not yet begun counts in full."""
        left_s = 0.0
        if person.current is not None:
            expected_s = self._history.of(person, person.current) * 3600
            begun_at = person.current.begun_at
            worked = person.shifts.worked_until
            spent_s = 0 if begun_at is None else worked(now) - worked(begun_at)
            left_s += max(_LEAST_LEFT * expected_s, expected_s - spent_s)
        left_s += sum(self._history.of(person, task) * 3600 for task in person.inbox)
        return _moment(person.shifts.finish(now, int(left_s))) if left_s else None


def _due_first(waiting: Sequence[Task], count: int) -> list[Task]:
    """Return of each skill the tasks due first, by due date: of a long queue only they matter."""
    kept: dict[str, list[Task]] = {}
    for task in sorted(waiting, key=lambda one: (one.workflow.due_at, one.index)):
        of_skill = kept.setdefault(task.skill, [])
        if len(of_skill) < count:
            of_skill.append(task)
    return sorted(
        (task for tasks in kept.values() for task in tasks),
        key=lambda one: (one.workflow.due_at, one.index),
    )


def _working(person: Person, now: int) -> tuple[tuple[datetime, datetime], ...]:
    """Return the shifts of the next weeks: calendars and leave are known in advance."""
    shifts = person.shifts
    periods = []
    at = shifts.next_open(now)
    while at < now + _HORIZON_DAYS * DAY_S:
        _, close = shifts.current(at)
        periods.append((_moment(at), _moment(close)))
        at = shifts.next_open(close)
    return tuple(periods)


def _moment(at: int) -> datetime:
    return _EPOCH + timedelta(seconds=at)


def policy(name: str, history: History, seed: int) -> Policy | None:
    """Return one of `POLICY_NAMES`; None is the company's present practice."""

    def expected(task: Task) -> float:
        able = task.team.by_skill[task.skill]
        return min((history.of(person, task) for person in able), default=0.0)

    makers: dict[str, Callable[[], Policy | None]] = {
        PRESENT: lambda: None,
        "random": lambda: AtRandom(seed),
        "first in, first out": lambda: Ordered(lambda task: task.index),
        "shortest first": lambda: Ordered(expected),
        "least loaded": lambda: Ordered(lambda task: task.index, fills_hands=True),
        "earliest due first": lambda: Ordered(lambda task: task.workflow.due_at),
        PLANNED: lambda: Planned(history),
    }
    return makers[name]()
