"""How many tasks lie with each person: taken, and not yet left."""

from collections import Counter, deque
from typing import Final

import numpy as np

from pipelines.learning.assignee.decayed import Values
from pipelines.learning.assignee.handovers import DAY_S

# Logs that do not tell how tasks end would pile them up for ever.
_FORGOTTEN_S: Final = 60 * DAY_S


class HeldTasks:
    """Tasks held by each person; one taken two months ago lies with nobody."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._takers: dict[int, int] = {}
        self._takings: deque[tuple[float, int]] = deque()

    def take(self, task: int, person: int, now_s: float) -> None:
        """Give a task to a person."""
        self._counts[person] += 1
        self._takers[task] = person
        self._takings.append((now_s, task))

    def leave(self, task: int) -> None:
        """Take a task away from whom it lies with, if it lies with anybody."""
        person = self._takers.pop(task, None)
        if person is not None:
            self._counts[person] -= 1

    def counts(self, now_s: float, person_count: int) -> Values:
        """Return how many tasks each person holds at a moment not before the last one."""
        while self._takings and self._takings[0][0] < now_s - _FORGOTTEN_S:
            self.leave(self._takings.popleft()[1])
        return np.array([self._counts[person] for person in range(person_count)], dtype=float)
