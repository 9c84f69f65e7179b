"""Read a history event by event, as a running service gets it, into a ledger of tasks."""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipelines.learning.assignee.coded_log import CONTEXT_COLUMNS, NONE, Event, seconds
from pipelines.learning.assignee.diary import Diary
from pipelines.learning.assignee.follow import TaskEvent, TaskFollower
from pipelines.learning.assignee.ledger import Ledger
from pipelines.learning.assignee.question import TaskAsked
from pipelines.learning.assignee.takings import in_order
from pipelines.learning.assignee.tasks import Leaving, Tasks
from pipelines.learning.columns import AS_OF, WORKFLOW_ID


class Codes:
    """Numbers for names in the order of their appearance."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._codes: dict[str, int] = {}

    @property
    def codes(self) -> Mapping[str, int]:
        """The numbers by name."""
        return self._codes

    def add(self, name: str | None) -> int:
        """Return the number of a name, a new one for a new name, NONE for nothing."""
        if name is None:
            return NONE
        if name not in self._codes:
            self._codes[name] = len(self.names)
            self.names.append(name)
        return self._codes[name]

    def get(self, name: str | None, otherwise: int = NONE) -> int:
        """Return the number of a name, or something else for a new one."""
        return otherwise if name is None else self._codes.get(name, otherwise)


class HistoryEvent(NamedTuple):
    """One event of a history, known since `time_s`."""

    workflow_id: str
    task_id: str
    activity: str
    transition: str
    person_id: str | None
    team_id: str | None
    time_s: float
    occurred_s: float


class _OpenTask(NamedTuple):
    number: int
    event: Event
    occurred_s: float


class HistoryFollower:
    """What `replay` of `code_tasks(task_takings(...))` learns, one event after the other.

    An event that was read before changes nothing; one that becomes known out of order counts
    as of the latest.
    """

    def __init__(self) -> None:
        self.ledger, self.diary = Ledger(Tasks()), Diary()
        self.people, self.activities, self.workflows, self.teams = (Codes() for _ in range(4))
        self.last_s = -np.inf
        self._contexts = tuple(Codes() for _ in CONTEXT_COLUMNS)
        self._told: dict[str, tuple[tuple[str | None, ...], float]] = {}
        self._tasks = TaskFollower()
        self._open: dict[str, _OpenTask] = {}
        self._occurred_s: dict[str, float] = {}
        self._place = 0
        self._taken_count = 0

    @property
    def met_workflows(self) -> Collection[str]:
        """Workflows of which an event was read, though nobody may have taken a task of it yet."""
        return self._occurred_s.keys()

    def tell_workflows(self, workflows: pd.DataFrame) -> None:
        """Take in what workflows are about; it is told with their next events."""
        due_s = seconds(workflows["due_at"]).tolist()
        columns = [_texts(workflows[name]) for name in (WORKFLOW_ID, *CONTEXT_COLUMNS)]
        for due, workflow_id, *context in zip(due_s, *columns, strict=True):
            self._told[str(workflow_id)] = (tuple(context), due)

    def read(self, event: HistoryEvent) -> None:
        """Take in the next event."""
        self.last_s = max(self.last_s, event.time_s)
        workflow_id, task_id = event.workflow_id, event.task_id
        began_s = self._occurred_s.get(workflow_id, np.nan)
        self._occurred_s[workflow_id] = event.occurred_s
        place, self._place = self._place, self._place + 1
        task = self._tasks.read(
            TaskEvent(place, workflow_id, task_id, event.transition, event.person_id)
        )
        if task is None:
            return
        if task.taken_place == place:
            self._take(event)
        if task.left_place == place:
            number, taken, occurred_s = self._open.pop(task_id)
            is_at_once = task.taken_place == place
            took_s = event.occurred_s - (began_s if is_at_once else occurred_s)
            took_s = float(np.maximum(took_s, 0.0)) if task.is_done else np.nan
            self.ledger.leave(
                Leaving(number, taken.person, taken.activity, self.last_s, took_s, taken.due_s)
            )

    def asked(
        self, workflow_id: str, activity: str, team_id: str | None, now_s: float
    ) -> TaskAsked:
        """Return the task to ask about, in codes; what was never met has codes of nobody's."""
        context, _ = self._told.get(workflow_id, ((None,) * len(CONTEXT_COLUMNS), np.nan))
        return TaskAsked(
            self.workflows.get(workflow_id, len(self.workflows.names)),
            self.activities.get(activity, len(self.activities.names)),
            self.teams.get(team_id),
            tuple(of.get(one) for of, one in zip(self._contexts, context, strict=True)),
            max(now_s, self.last_s),
        )

    def _take(self, event: HistoryEvent) -> None:
        context, due_s = self._told.get(event.workflow_id, ((None,) * len(CONTEXT_COLUMNS), np.nan))
        taken = Event(
            self.workflows.add(event.workflow_id),
            self.activities.add(event.activity),
            self.people.add(event.person_id),
            self.teams.add(event.team_id),
            tuple(of.add(one) for of, one in zip(self._contexts, context, strict=True)),
            self.last_s,
            due_s,
        )
        self.ledger.learn(taken)
        self.diary.take(taken.workflow, taken.activity, taken.person, self.last_s)
        self._open[event.task_id] = _OpenTask(self._taken_count, taken, event.occurred_s)
        self._taken_count += 1


def history_events(task_events: pd.DataFrame) -> Iterator[HistoryEvent]:
    """Yield the rows of `task_events` in the order they became known."""
    ordered = in_order(task_events)
    names = (WORKFLOW_ID, "task_id", "activity", "transition", "person_id", "team_id")
    texts = [_texts(ordered[name]) for name in names]
    times = [seconds(ordered[name]).tolist() for name in (AS_OF, "occurred_at")]
    for row in zip(*texts, *times, strict=True):
        yield HistoryEvent(*row)


def _texts(values: pd.Series) -> list[str | None]:
    return [
        None if missing else str(one) for one, missing in zip(values, values.isna(), strict=True)
    ]
