"""Turn a finished board into a plan in words: who, when, why, and what a move would cost."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import inf

from pipelines.learning.allocation.alternatives import alternatives
from pipelines.learning.allocation.board import Board, Sums
from pipelines.learning.allocation.plan import Alternative, Assignment, Plan, Totals, Unmet
from pipelines.learning.allocation.problem import AvailablePerson, OpenTask
from pipelines.learning.allocation.shortfall import why_late, why_unplanned
from pipelines.learning.allocation.words import duration, moment

_MINUTE_S = 60.0


def explain(
    board: Board,
    tasks: Sequence[OpenTask],
    people: Sequence[AvailablePerson],
    as_of: datetime,
    alternative_count: int,
) -> Plan:
    """Say what the board holds, and for what it does not hold which constraint cannot be met."""
    assignments: list[Assignment] = []
    unmet: list[Unmet] = []
    schedules = [board.schedule(person, order) for person, order in enumerate(board.orders)]
    sums = [
        board.sums(person, order, times)
        for person, (order, times) in enumerate(zip(board.orders, schedules, strict=True))
    ]
    for person, (order, times) in enumerate(zip(board.orders, schedules, strict=True)):
        for place, (task, (begin, end, lateness)) in enumerate(zip(order, times, strict=True)):
            due_s = board.due_s[task]
            others = alternatives(board, task, people, as_of, alternative_count, sums=sums)
            fit = _fitness(board, tasks[task], people[person].person_id, task)
            turn = _turn(place, begin, end, board.due_s[task], as_of)
            assignments.append(
                Assignment(
                    task_id=tasks[task].task_id,
                    person_id=people[person].person_id,
                    planned_start_at=as_of + timedelta(seconds=begin),
                    planned_end_at=as_of + timedelta(seconds=end),
                    expected_service_s=board.service_s[task][person],
                    expected_lateness_s=lateness,
                    slack_s=None if due_s == inf else due_s - end,
                    reason=f"{fit}; {turn}.{_second_best(others)}",
                    alternatives=others,
                )
            )
            if end > due_s:
                unmet.append(why_late(board, tasks[task].task_id, people, task, as_of))
    for task, holder in enumerate(board.holder):
        if holder is None:
            unmet.append(why_unplanned(board, tasks, people, task))
    assignments.sort(key=lambda one: (one.planned_start_at, one.task_id))
    unmet.sort(key=lambda one: (one.is_planned, one.task_id))
    return Plan(as_of, tuple(assignments), tuple(unmet), _totals(board, sums, assignments))


def _totals(board: Board, sums: Sequence[Sums], assignments: Sequence[Assignment]) -> Totals:
    return Totals(
        planned_count=len(assignments),
        unplanned_count=len(board.holder) - len(assignments),
        late_count=sum(one.slack_s is not None and one.slack_s < 0 for one in assignments),
        expected_lateness_s=sum(one.lateness_s for one in sums),
        time_s=sum(one.time_s for one in sums),
        work_s=sum(one.work_s for one in sums),
        cost=sum(board.costs),
    )


def _fitness(board: Board, task: OpenTask, who: str, number: int) -> str:
    """Tell what makes the person fit for the task."""
    person = board.holder[number]
    service_s = board.service_s[number]
    own_s = inf if person is None else service_s[person]
    skills = ", ".join(sorted(task.required_skills))
    text = f"{who} has {skills} and needs" if skills else f"{who} needs"
    text += f" about {duration(own_s)}"
    able, quicker = sum(one < inf for one in service_s), sum(one < own_s for one in service_s)
    if able == 1:
        return f"{text}, the only one who can do it"
    if quicker == 0:
        return f"{text}, as quick as any of the {able} who can do it"
    return f"{text}; {quicker} of the {able} who can do it would be quicker but are less free"


def _turn(place: int, begin: float, end: float, due_s: float, as_of: datetime) -> str:
    """Tell when it is the task's turn, and how that stands to its due date."""
    text = "next" if place == 0 else f"number {place + 1} in line"
    text += f", from {moment(as_of, begin)} to {moment(as_of, end)}"
    if due_s == inf:
        return text
    return f"{text}, {duration(abs(due_s - end))} {'before' if end <= due_s else 'after'} it is due"


def _second_best(others: Sequence[Alternative]) -> str:
    return f" {others[0].person_id} instead would mean {_extra(others[0])}." if others else ""


def _extra(second: Alternative) -> str:
    """Tell the price of the second best: what gets more, then what gets less."""
    changes = (
        (second.extra_lateness_s, "expected lateness"),
        (second.extra_time_s, "time until tasks end"),
        (second.extra_work_s, "work"),
    )
    more = [f"{duration(by)} more {what}" for by, what in changes if by >= _MINUTE_S]
    less = [f"{duration(-by)} less {what}" for by, what in changes if by <= -_MINUTE_S]
    return ", ".join(more + less) or "no difference"
