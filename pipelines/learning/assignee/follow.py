"""Follow tasks through a history: when they came up, who took them, and when they were left."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from pipelines.contracts import Transition

NOWHERE: Final = -1
_ENDS: Final = frozenset({Transition.COMPLETED.value, Transition.CANCELLED.value})
# Who creates or cancels a task has not taken it.
_NOT_TAKING: Final = frozenset({Transition.CREATED.value, Transition.CANCELLED.value})


class TaskEvent(NamedTuple):
    """One event of a history; `place` counts the events in order of time."""

    place: int
    workflow_id: str
    task_id: str
    transition: str
    person_id: str | None


@dataclass(slots=True)
class FollowedTask:
    """A task by the places of its events in the history, NOWHERE for what has not happened.

    After `asked_place` somebody is looked for: the task was there, or else the workflow stood
    there. Who took it at `taken_place` left it at `left_place`: done, cancelled, or in other
    hands. `began_place` is the workflow's event before it was taken.
    """

    asked_place: int
    began_place: int = NOWHERE
    taken_place: int = NOWHERE
    left_place: int = NOWHERE
    person_id: str = ""
    is_done: bool = False


class TaskFollower:
    """Reads events one by one; knows at each what became of every task."""

    def __init__(self) -> None:
        self._tasks: dict[str, FollowedTask | None] = {}
        self._last_places: dict[str, int] = {}

    def read(self, event: TaskEvent) -> FollowedTask | None:
        """Take in the next event; return its task if that event took it or left it.

        A task is taken once, by the first person named as its own: at the assignment or the
        start, or where a log tells completions only, there.
        """
        before = self._last_places.get(event.workflow_id, NOWHERE)
        self._last_places[event.workflow_id] = event.place
        is_taking = event.person_id is not None and event.transition not in _NOT_TAKING
        if event.task_id not in self._tasks:
            # The first event of a workflow may name somebody: then asked right before it.
            asked = (event.place - 1 if before == NOWHERE else before) if is_taking else event.place
            self._tasks[event.task_id] = FollowedTask(asked)
        task = self._tasks[event.task_id]
        if task is None:
            return None
        if is_taking and task.taken_place == NOWHERE:
            task.taken_place, task.person_id = event.place, str(event.person_id)
            task.began_place = before
        is_end = event.transition in _ENDS
        if is_end or (is_taking and event.person_id != task.person_id):
            task.left_place = event.place
            task.is_done = event.transition == Transition.COMPLETED.value and (
                event.person_id in {None, task.person_id}
            )
            self._tasks[event.task_id] = None  # over: only that it was there is remembered
        is_news = event.place in {task.taken_place, task.left_place}
        return task if is_news and task.taken_place != NOWHERE else None
