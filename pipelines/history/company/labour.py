"""How people do tasks: begin, pause for a client or an expert, hand over, complete."""

from collections.abc import Callable
from math import exp
from typing import Final

from simpy import Interrupt

from pipelines.contracts import Transition
from pipelines.history.company.clock import Clock
from pipelines.history.company.design import Company
from pipelines.history.company.dispatch import Dispatch
from pipelines.history.company.draws import Draws
from pipelines.history.company.journal import Journal
from pipelines.history.company.people import Person, pace_ratio
from pipelines.history.company.shifts import DAY_S
from pipelines.history.company.templates import REWORK_RATIO
from pipelines.history.company.work import FIRST_TURN, Steps, Task

_LAG_S: Final = 420  # median time between having the hands free and the start of the next task
_NOISE: Final = 0.36
_LONG_ABSENCE_DAYS: Final = 4
_HANDED_OVER_RATIO: Final = 0.85  # of a person's tasks when they go away for long
_SHORTEST_S: Final = 300
_TOO_HARD: Final = 2  # complexity above level
_NEEDLESS_RATIO: Final = 0.05  # of the steps that only a share of workflows needs


class Labour:
    """The work of all people; `done` is told each completed or needless task."""

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        company: Company,
        seed: int,
        done: Callable[[Task], None],
        *,
        dispatch: type[Dispatch] = Dispatch,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._office = company.office
        self._effort = Draws(seed, "effort")
        self._pauses = Draws(seed, "pauses")
        self._absences = Draws(seed, "absences")
        self._done = done
        self.dispatch = dispatch(clock, journal, seed, self._begin)
        for person in company.people:
            clock.process(self._go_away(person, company))

    def drop(self, task: Task) -> None:
        """Cancel an open task, wherever it is, now."""
        self._journal.event(task, Transition.CANCELLED, self._clock.at)
        task.is_over = True
        person = task.person
        if task.is_queued:
            self.dispatch.unqueue(task)
        elif task.process is not None:
            task.process.interrupt("dropped")
        elif person is not None and task in person.inbox:
            person.inbox.remove(task)
            self.dispatch.refill(person)

    def dismiss(self, person: Person) -> None:
        """Let a person leave for good now; a skill nobody else has passes to a colleague."""
        now = self._clock.at
        person.left_at = now
        person.shifts.end_at(now)
        person.open_at = person.open_until = now
        team = person.team
        for skill in person.levels:
            holders = [one for one in team.by_skill[skill] if one is not person]
            if not holders:
                holders = [one for one in team.people if one.left_at is None][:1]
                for heir in holders:
                    heir.levels[skill] = 1
            team.by_skill[skill] = holders
        self._release(person, 1.0)

    def _begin(self, person: Person) -> None:
        """Let a person with free hands take up the first task of their inbox."""
        if person.current is not None or not person.inbox or person.left_at is not None:
            return
        if not person.is_working(self._clock.at):
            self.dispatch.wake(person)
            return
        task = min(person.inbox, key=lambda one: (one.turn, one.index))
        person.inbox.remove(task)
        person.current = task
        task.process = self._clock.process(self._perform(person, task))

    def _perform(self, person: Person, task: Task) -> Steps:
        clock, shifts = self._clock, person.shifts
        try:
            lag = int(self._effort.lognormal(_LAG_S, 0.8))
            yield clock.timeout(shifts.after(clock.at, lag) - clock.at)
            if self._is_needless(task):
                self._journal.event(task, Transition.CANCELLED, clock.at)
                task.is_over = True
            else:
                work_s = self._start(person, task)
                yield clock.timeout(shifts.finish(clock.at, work_s) - clock.at)
        except Interrupt as interrupt:
            self._put_down(person, task, is_dropped=interrupt.cause == "dropped")
            return
        task.process = None
        task.begun_at = None
        person.current = None
        if task.pause is not None:
            self._pause(person, task)
            return
        if not task.is_over:
            person.completed_count += 1
        self.dispatch.refill(person)
        self._done(task)

    def _start(self, person: Person, task: Task) -> int:
        """Start or resume a task; return the working seconds until its end or next pause."""
        clock = self._clock
        if task.is_started:
            self._journal.event(task, Transition.RESUMED, clock.at)
        else:
            self._journal.event(task, Transition.STARTED, clock.at)
            task.is_started = True
            task.work_s = self._draw_work(task)
            task.pause = self._draw_pause(person, task)
            task.workflow.doers[task.step] = (person, task.team.pressure)
            task.workflow.people.add(person)
        task.begun_at = clock.at
        part = task.pause[1] if task.pause else 1.0
        return max(_SHORTEST_S, int(task.work_s * part * _pace(person, task)))

    def _draw_work(self, task: Task) -> float:
        """Draw a task's seconds at the pace of an average person of level 3."""
        hours = task.workflow.template.steps[task.step].hours
        ratio = exp(0.17 * (task.workflow.complexity - 3) + _NOISE * self._effort.normal())
        if task.returned_by is not None:
            ratio *= REWORK_RATIO
        return hours * 3600 * ratio

    def _draw_pause(self, person: Person, task: Task) -> tuple[str, float] | None:
        """Draw whether the work will stop for a client's answer or for a better colleague."""
        level = person.levels.get(task.skill, 1)
        is_too_hard = task.complexity - level >= _TOO_HARD
        expert_ratio = 0.14 if is_too_hard else 0.012
        chance, part = self._pauses.uniform(), 0.15 + 0.7 * self._pauses.uniform()
        if chance < task.workflow.question_ratio:
            return ("client", part)
        if chance > 1 - expert_ratio and len(task.team.by_skill[task.skill]) > 1:
            return ("expert", part)
        return None

    def _is_needless(self, task: Task) -> bool:
        """Tell, before it starts, whether a step that not all need turns out to be needless."""
        step = task.workflow.template.steps[task.step]
        return not task.is_started and step.share < 1 and self._pauses.uniform() < _NEEDLESS_RATIO

    def _pause(self, person: Person, task: Task) -> None:
        """Stop for the reason drawn; free the person for other work meanwhile."""
        assert task.pause is not None  # noqa: S101
        reason, part = task.pause
        task.pause = None
        task.work_s *= 1 - part
        task.turn = FIRST_TURN
        self._suspend(task, reason)
        self.dispatch.refill(person)
        if reason == "expert":
            self.dispatch.offer(task, but=person)
            return
        median_s = task.workflow.client.answer_h * 3600
        answered_at = self._office.after(
            self._clock.at, 900 + int(self._pauses.lognormal(median_s, 0.8))
        )
        self._clock.call_at(answered_at, lambda: self._answered(task))

    def _answered(self, task: Task) -> None:
        """Take a task up again after the client's answer; its person may be away by now."""
        person = task.person
        if task.is_over or person is None:
            return
        now = self._clock.at
        is_away = person.left_at is not None or (
            person.shifts.next_open(now) - now > _LONG_ABSENCE_DAYS * DAY_S
        )
        if is_away:
            self.dispatch.offer(task, but=person)
        else:
            person.inbox.append(task)
            self._begin(person)

    def _put_down(self, person: Person, task: Task, *, is_dropped: bool) -> None:
        """Free the person of the task at hand; pass it on unless it was dropped."""
        task.process = None
        person.current = None
        if not is_dropped:
            if task.begun_at is not None:
                worked = person.shifts.worked_until
                spent_s = worked(self._clock.at) - worked(task.begun_at)
                # Somebody new has to read into it first.
                left_s = task.work_s - spent_s / _pace(person, task)
                task.work_s = max(_SHORTEST_S, 1.1 * left_s)
                task.begun_at = None
                task.pause = None
                self._suspend(task, "absence")
            task.turn = FIRST_TURN
            self.dispatch.offer(task, but=person)
        self.dispatch.refill(person)

    def _suspend(self, task: Task, reason: str) -> None:
        attributes = f'{{"suspension_reason": "{reason}"}}'
        self._journal.event(task, Transition.SUSPENDED, self._clock.at, attributes)

    def _go_away(self, person: Person, company: Company) -> Steps:
        """Hand a person's tasks over whenever they go away for long."""
        for spell in person.leave:
            if spell.day_count < _LONG_ABSENCE_DAYS:
                continue
            morning = (spell.starts_on - company.days.first).days * DAY_S
            evening = person.shifts.last_close(morning)
            if evening is None or evening < self._clock.at:
                continue
            yield self._clock.timeout(evening - self._clock.at)
            if person.left_at is not None:
                return
            self._release(person, _HANDED_OVER_RATIO)

    def _release(self, person: Person, ratio: float) -> None:
        """Offer a share of a person's tasks to colleagues."""
        if person.current is not None and self._absences.uniform() < ratio:
            process = person.current.process
            if process is not None:
                process.interrupt("absence")
        for task in list(person.inbox):
            if self._absences.uniform() < ratio:
                person.inbox.remove(task)
                self.dispatch.offer(task, but=person)


def _pace(person: Person, task: Task) -> float:
    """Return how long the person takes for a second's work of the average: skill and pressure."""
    many = 1 + 0.04 * len(person.inbox)  # each open task distracts
    return pace_ratio(person, task.skill) * many * (1 - 0.22 * task.team.pressure)
