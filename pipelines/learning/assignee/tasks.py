"""What people take, hold and finish: the experience that a task of a known activity asks for."""

from typing import Final, NamedTuple

import numpy as np

from pipelines.learning.assignee.coded_log import NONE, Event
from pipelines.learning.assignee.decayed import DecayedCounts, LastTimes, Told, Values
from pipelines.learning.assignee.handovers import DAY_S, Vectors
from pipelines.learning.assignee.held_tasks import HeldTasks
from pipelines.learning.assignee.question import Question, Trace

_HALF_LIVES_S: Final = {"7d": 7 * DAY_S, "30d": 30 * DAY_S, "180d": 180 * DAY_S}
_BACK_OFF_COUNT: Final = 3.0
_PRIOR_COUNT: Final = 3.0
Situation = tuple[int, ...]


class Leaving(NamedTuple):
    """A task that its taker left; `took_s` is NaN unless the taker completed it."""

    task: int
    person: int
    activity: int
    time_s: float
    took_s: float
    due_s: float


class Tasks:
    """Who takes tasks of which activity, and what becomes of them, as of a moment."""

    def __init__(self) -> None:
        self._counts = DecayedCounts(tuple(_HALF_LIVES_S.values()))
        self._last = LastTimes()
        self._held = HeldTasks()
        self._team: dict[int, int] = {}
        self._tallies: dict[int, dict[int, Values]] = {}
        self._log_took: dict[int, tuple[float, int]] = {}
        self._count = 0
        self._told = Told()

    def take(self, trace: Trace, event: Event) -> None:
        """Count that a person took a task; the trace is the workflow's without this event."""
        before = Question(trace, event.time_s, 0, event.activity)
        for name, key in _situations(before).items():
            self._counts.add((name, *key), event.person, event.time_s)
        self._last.add(event.activity, event.person, event.time_s)
        self._held.take(self._count, event.person, event.time_s)
        self._team[event.person] = event.team
        self._count += 1

    def leave(self, leaving: Leaving) -> None:
        """Count that a task, numbered by the order of taking, lies with its taker no longer."""
        self._held.leave(leaving.task)
        if np.isnan(leaving.took_s):
            return
        self._told.forget()
        of_activity = self._tallies.setdefault(leaving.activity, {})
        tally = of_activity.setdefault(leaving.person, np.zeros(4))
        took = float(np.log1p(leaving.took_s))
        total, count = self._log_took.get(leaving.activity, (0.0, 0))
        if count:
            tally[:2] += took - total / count, 1
        self._log_took[leaving.activity] = (total + took, count + 1)
        if not np.isnan(leaving.due_s):
            tally[2:] += leaving.time_s <= leaving.due_s, 1

    def features(self, question: Question) -> Vectors:
        """Return vectors over people in view of the task asked about.

        Shares of takings are drawn to those in the looser situation as in `Handovers`; nobody
        is left out of them, as one may go on with one's own workflow.
        """
        now_s, size, activity = question.now_s, question.person_count, question.task_activity
        vectors: Vectors = {}
        share = np.full((len(_HALF_LIVES_S), size), 1 / max(size, 1))
        for name, key in _situations(question).items():
            counts = self._counts.at((name, *key), now_s, size)
            share = (counts + _BACK_OFF_COUNT * share) / (
                counts.sum(axis=1, keepdims=True) + _BACK_OFF_COUNT
            )
            for life, of_life, count in zip(_HALF_LIVES_S, share, counts, strict=True):
                vectors[f"task_{name}_{life}_ratio"] = of_life
                if name == "activity":
                    vectors[f"task_{name}_{life}_count"] = count
        slow, timed, on_time, due = self._told.get(
            activity, size, lambda: self._tallied(activity, size)
        )
        held = self._held.counts(now_s, size)
        return {
            **vectors,
            "since_task_activity_s": self._last.since_s(activity, now_s, size),
            "task_activity_slowness": slow / (timed + _PRIOR_COUNT),
            "task_activity_on_time_ratio": np.divide(
                on_time, due, np.full(size, np.nan), where=due > 0
            ),
            "held_task_count": held,
            "is_of_task_team": self._is_of_team(question),
        }

    def _tallied(self, activity: int, size: int) -> Values:
        tallied = np.zeros((4, size))
        found = self._tallies.get(activity)
        if found:
            tallied[:, list(found)] = np.array(list(found.values())).T
        return tallied

    def _is_of_team(self, question: Question) -> Values:
        same = np.full(question.person_count, np.nan)
        if question.task_team != NONE and self._team:
            same[list(self._team)] = [team == question.task_team for team in self._team.values()]
        return same


def _situations(question: Question) -> dict[str, Situation]:
    """Return the situation in words from the loosest to the strictest."""
    return {
        "any": (),
        "activity": (question.task_activity,),
        "after_activity": (question.task_activity, question.activity),
        "after_person": (question.task_activity, question.activity, question.person),
    }
