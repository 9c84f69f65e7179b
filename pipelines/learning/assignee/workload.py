"""How many workflows lie with each person: the last event is theirs, and not long ago."""

from collections import Counter, deque
from typing import Final

import numpy as np

from pipelines.learning.assignee.coded_log import Event
from pipelines.learning.assignee.decayed import Values
from pipelines.learning.assignee.handovers import DAY_S

_QUIET_S: Final = 14 * DAY_S


class Workload:
    """Workflows held by each person; one that is quiet for two weeks lies with nobody."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._holders: dict[int, tuple[int, float]] = {}
        self._touches: deque[tuple[float, int]] = deque()

    def learn(self, event: Event) -> None:
        """Give the workflow to the one who did its last event."""
        if event.workflow in self._holders:
            self._counts[self._holders[event.workflow][0]] -= 1
        self._counts[event.person] += 1
        self._holders[event.workflow] = (event.person, event.time_s)
        self._touches.append((event.time_s, event.workflow))

    def held(self, now_s: float, person_count: int) -> Values:
        """Return how many workflows each person holds at a moment not before the last one."""
        while self._touches and self._touches[0][0] < now_s - _QUIET_S:
            touched_s, workflow = self._touches.popleft()
            holder = self._holders.get(workflow)
            if holder is not None and holder[1] == touched_s:
                self._counts[holder[0]] -= 1
                del self._holders[workflow]
        return np.array([self._counts[person] for person in range(person_count)], dtype=float)
