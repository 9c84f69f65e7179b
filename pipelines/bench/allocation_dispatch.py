"""A hand-out of tasks whose rule can be exchanged while the simulated company runs."""

from collections.abc import Sequence
from typing import Any, Protocol

from pipelines.history.company.dispatch import Dispatch
from pipelines.history.company.people import Person, Team
from pipelines.history.company.work import Task

Pair = tuple[Task, Person]


class Policy(Protocol):
    """A rule: which of a team's waiting tasks which of its people take up now."""

    def room(self, person: Person) -> int:
        """Return how many more tasks a person may be given now."""
        ...

    def decide(
        self, now: int, team: Team, waiting: Sequence[Task], free: Sequence[Person]
    ) -> list[Pair]:
        """Pair waiting tasks, in order of creation, with free people, in order of id.

        A task's `workflow.complexity`, `question_ratio` and `is_rejected`, its `work_s` and
        `pause`, and a person's `slowness` are hidden: nobody in the company can see them.
        """
        ...


class TrialDispatch(Dispatch):
    """The company's own practice until `take_over`, from then on a policy."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._policy: Policy | None = None
        self._pools: dict[int, list[Task]] = {}

    def take_over(self, policy: Policy, teams: Sequence[Team]) -> None:
        """Let the policy decide from now on; what nobody has begun waits for it."""
        self._policy = policy
        for team in teams:
            pool = [entry[2] for queue in team.queues.values() for entry in queue]
            pool = [task for task in pool if not task.is_over]
            for queue in team.queues.values():
                queue.clear()
            for person in team.people:
                begun = [task for task in person.inbox if task.is_started]
                pool += [task for task in person.inbox if not task.is_started]
                person.inbox[:] = begun
            for task in pool:
                task.is_queued = True
            self._pools[team.index] = sorted(pool, key=lambda task: task.index)
            self._hand_out(team, None)

    def offer(self, task: Task, but: Person | None = None) -> None:
        """Let the task wait, and hand out what the policy says to hand out now (not to `but`)."""
        if self._policy is None:
            super().offer(task, but)
            return
        task.is_queued = True
        self._pools[task.team.index].append(task)
        self._hand_out(task.team, (task, but))

    def unqueue(self, task: Task) -> None:
        """Take a task that is over from those that wait."""
        if self._policy is None:
            super().unqueue(task)
            return
        task.is_queued = False
        self._pools[task.team.index].remove(task)
        self._count(task.team)

    def refill(self, person: Person) -> None:
        """Let the policy look at the person's team again, and the person begin; or wake them."""
        if self._policy is None:
            super().refill(person)
            return
        if person.left_at is not None:
            return
        if not person.is_working(self._clock.at):
            if person.inbox or self._pools[person.team.index]:
                self.wake(person)
            return
        self._hand_out(person.team, None)
        self._begin(person)

    def _hand_out(self, team: Team, refused: tuple[Task, Person | None] | None) -> None:
        policy, pool, now = self._policy, self._pools[team.index], self._clock.at
        assert policy is not None  # noqa: S101
        free = [
            person
            for person in team.people
            if person.left_at is None and policy.room(person) > 0 and person.is_working(now)
        ]
        waiting = sorted(pool, key=lambda task: task.index)
        pairs = policy.decide(now, team, waiting, free) if waiting and free else []
        for task, person in pairs:
            if (task, person) == refused:
                continue
            pool.remove(task)
            task.is_queued = False
            self._assign(person, task)
            self._begin(person)
        self._count(team)
        if pool:
            for person in team.people:
                if person.left_at is None and not person.is_working(now):
                    self.wake(person)

    def _count(self, team: Team) -> None:
        """Count as queue what does not fit into people's hands, as the company's practice does.

        A long queue makes the simulated people hurry. A policy that keeps tasks back until
        somebody is free must not gain from that: only the excess over their capacities counts.
        """
        room = sum(max(0, person.capacity - person.load) for person in team.people)
        team.queued_count = max(0, len(self._pools[team.index]) - room)
