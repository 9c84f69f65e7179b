"""Who gets a task: a queue for each team and skill, and a choice among the people at work.

A person takes tasks up to their capacity. A new task goes to the best person at work with room
for it; where there is none it waits in the queue (first come first served, with a head start of
days for a higher priority) until somebody with the skill has room or begins a shift.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Final

from pipelines.contracts import Transition
from pipelines.history.company.clock import Clock
from pipelines.history.company.draws import Draws
from pipelines.history.company.journal import Journal
from pipelines.history.company.people import Person, Team
from pipelines.history.company.shifts import NEVER
from pipelines.history.company.work import Task

# What counts in the choice: skill, room, having worked on this workflow before, mere habit.
_LEVEL_WEIGHT: Final = 0.35
_LOAD_WEIGHT: Final = 1.0
_KNOWN_BONUS: Final = 0.9
_HABIT_NOISE: Final = 0.9


class Dispatch:
    """The queues and the choice; `begin` lets a person start on their inbox."""

    def __init__(
        self, clock: Clock, journal: Journal, seed: int, begin: Callable[[Person], None]
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._habit = Draws(seed, "habit")
        self._begin = begin
        self._number = count()

    def offer(self, task: Task, but: Person | None = None) -> None:
        """Give the task to the best person at work with room for it (not `but`), else queue it."""
        person = self._choose(task, but)
        if person is not None:
            self._assign(person, task)
            self._begin(person)
            return
        task.is_queued = True
        task.team.queued_count += 1
        heappush(task.team.queues[task.skill], (task.turn, next(self._number), task))
        for one in task.team.by_skill[task.skill]:
            if one.load < one.capacity:
                self.wake(one)

    def unqueue(self, task: Task) -> None:
        """Take a task that is over out of the count; its entry is passed over later."""
        task.is_queued = False
        task.team.queued_count -= 1

    def refill(self, person: Person) -> None:
        """Let a person with room take tasks from the queues, and begin; or wake them later."""
        if person.left_at is not None:
            return
        if not person.is_working(self._clock.at):
            if person.inbox or any(person.team.queues[skill] for skill in person.levels):
                self.wake(person)
            return
        while person.load < person.capacity:
            task = self._pop(person)
            if task is None:
                break
            self._assign(person, task)
        self._begin(person)

    def wake(self, person: Person) -> None:
        """Let the person look at the queues when their next shift begins."""
        opens = person.shifts.next_open(self._clock.at)
        if opens == NEVER or (person.wake_at is not None and person.wake_at <= opens):
            return
        person.wake_at = opens

        def look() -> None:
            if person.wake_at == opens:
                person.wake_at = None
                self.refill(person)

        self._clock.call_at(opens, look)

    def _choose(self, task: Task, but: Person | None) -> Person | None:
        now = self._clock.at
        known = task.workflow.people
        best, best_score = None, float("-inf")
        for person in task.team.by_skill[task.skill]:
            load = len(person.inbox) + (person.current is not None)
            if load >= person.capacity or person is but:
                continue
            # The remembered shift first: the call is what costs.
            if not (person.open_at <= now < person.open_until or person.is_working(now)):
                continue
            score = (
                _LEVEL_WEIGHT * person.levels[task.skill]
                - _LOAD_WEIGHT * load
                + _HABIT_NOISE * self._habit.normal()
                + (_KNOWN_BONUS if person in known else 0.0)
            )
            if score > best_score:
                best, best_score = person, score
        return best

    def _assign(self, person: Person, task: Task) -> None:
        person.inbox.append(task)
        if task.person is not person:
            task.person = person
            self._journal.event(task, Transition.ASSIGNED, self._clock.at)

    def _pop(self, person: Person) -> Task | None:
        """Take the first task of the queues of the person's skills."""
        team: Team = person.team
        best: list[tuple[int, int, Task]] | None = None
        for skill in person.levels:
            queue = team.queues[skill]
            while queue and queue[0][2].is_over:
                heappop(queue)
            if queue and (best is None or queue[0] < best[0]):
                best = queue
        if best is None:
            return None
        task = heappop(best)[2]
        self.unqueue(task)
        return task
