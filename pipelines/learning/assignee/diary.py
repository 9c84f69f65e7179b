"""Plain counts of who took what from whom: not for learning, but for saying why."""

from bisect import bisect_left
from collections import Counter

from pipelines.learning.assignee.coded_log import NONE


class Diary:
    """When each person took tasks of each activity, and how often from whom."""

    def __init__(self) -> None:
        self._taken_s: dict[tuple[int, int], list[float]] = {}
        self._handovers: Counter[tuple[int, int]] = Counter()
        self._last_person: dict[int, int] = {}

    def take(self, workflow: int, activity: int, person: int, now_s: float) -> None:
        """Note that a person took a task, at a moment not before the last one."""
        self._taken_s.setdefault((activity, person), []).append(now_s)
        before = self._last_person.get(workflow, NONE)
        if before not in {NONE, person}:
            self._handovers[before, person] += 1
        self._last_person[workflow] = person

    def taken_count(self, activity: int, person: int, since_s: float) -> int:
        """Return how many tasks of an activity a person took since a moment."""
        taken_s = self._taken_s.get((activity, person), [])
        return len(taken_s) - bisect_left(taken_s, since_s)

    def handover_count(self, giver: int, taker: int) -> int:
        """Return how often one person went on where another one had been."""
        return self._handovers[giver, taker]
