"""Which task an event belongs to, where the log names activities but no tasks."""

from collections import deque
from collections.abc import Iterable

from pipelines.contracts import Transition


class TaskQueue:
    """Number the tasks of one activity in one workflow, first in first out.

    Feed the events in their order in time. The first of several started tasks is the
    first to complete, the first of several created ones the first to start (the pairing
    used for the lifecycle transitions of BPI Challenge 2012).
    """

    def __init__(self) -> None:
        self._count = 0
        self._waiting: deque[int] = deque()  # created or assigned, not started
        self._running: deque[int] = deque()  # started, not finished

    def place(self, transition: str) -> int:
        """Return the number (from 1, in order of appearance) of the task the event belongs to.

        - created: a new task.
        - started: the first waiting task, else a new one.
        - completed: the first running task; else the first waiting one, whose start the
          log left out; else a task of its own.
        - cancelled: the oldest unfinished task, else a task of its own.
        - assigned: the first waiting task, else the first running one, else a new one.
        - suspended, resumed: the first running task, else the first waiting one, else a
          new one, which runs.
        """
        match transition:
            case Transition.CREATED:
                return self._new(self._waiting)
            case Transition.STARTED:
                return self._start()
            case Transition.COMPLETED:
                return self._finish(self._running or self._waiting)
            case Transition.CANCELLED:
                return self._finish(self._older())
            case Transition.ASSIGNED:
                current = self._waiting or self._running
                return current[0] if current else self._new(self._waiting)
            case _:
                current = self._running or self._waiting
                return current[0] if current else self._new(self._running)

    def _new(self, queue: deque[int] | None) -> int:
        self._count += 1
        if queue is not None:
            queue.append(self._count)
        return self._count

    def _start(self) -> int:
        if not self._waiting:
            return self._new(self._running)
        task = self._waiting.popleft()
        self._running.append(task)
        return task

    def _finish(self, queue: deque[int]) -> int:
        return queue.popleft() if queue else self._new(None)

    def _older(self) -> deque[int]:
        if self._waiting and self._running:
            return min(self._waiting, self._running, key=lambda queue: queue[0])
        return self._waiting or self._running


def pair_first_in_first_out(transitions: Iterable[str]) -> list[int]:
    """Return the task number of each event of one activity in one workflow, in time order."""
    queue = TaskQueue()
    return [queue.place(transition) for transition in transitions]
