"""The policy: spread open tasks over people at the least lateness and time."""

from collections.abc import Sequence
from datetime import datetime
from math import inf
from typing import Final

from pipelines.learning.allocation.assign import assign_places
from pipelines.learning.allocation.board import Board
from pipelines.learning.allocation.eligible import service_seconds
from pipelines.learning.allocation.explain import explain
from pipelines.learning.allocation.improve import improve
from pipelines.learning.allocation.plan import Plan
from pipelines.learning.allocation.precedence import earliest, predecessors, settle
from pipelines.learning.allocation.problem import (
    AvailablePerson,
    Estimates,
    OpenTask,
    Weights,
    check,
)
from pipelines.learning.allocation.working_time import working_time

_SETTLINGS: Final = 3


def plan_allocation(
    tasks: Sequence[OpenTask],
    people: Sequence[AvailablePerson],
    estimates: Estimates,
    as_of: datetime,
    weights: Weights | None = None,
    *,
    alternative_count: int = 2,
) -> Plan:
    """Plan who does which task when, at the least sum of `weights`, as of a moment.

    An assignment of tasks to places in people's orders, then moves and exchanges until nothing
    gains. Every constraint holds for what is planned; what cannot be planned, or not in time,
    is in `unmet` with its reason. Each assignment names up to `alternative_count` other people.
    The same question has the same answer in whatever order tasks and people are given: ties go
    by id.

    Raises:
        AllocationError: the question is not well formed; see `problem.check`.
    """
    weights = weights or Weights()
    check(tasks, people, estimates, as_of, weights)
    rows = sorted(range(len(tasks)), key=lambda one: tasks[one].task_id)
    columns = sorted(range(len(people)), key=lambda one: people[one].person_id)
    tasks, people = [tasks[one] for one in rows], [people[one] for one in columns]
    estimates = Estimates(estimates.hours[rows][:, columns], estimates.spread_ratio)
    board = _board(tasks, people, estimates, as_of, weights)
    if tasks and people:
        _fill(board, tasks)
    return explain(board, tasks, people, as_of, alternative_count)


def _board(
    tasks: Sequence[OpenTask],
    people: Sequence[AvailablePerson],
    estimates: Estimates,
    as_of: datetime,
    weights: Weights,
) -> Board:
    def seconds(moment: datetime | None, without: float) -> float:
        return without if moment is None else (moment - as_of).total_seconds()

    return Board(
        service_s=service_seconds(tasks, people, estimates),
        calendars=[working_time(tuple(one.working), as_of, one.busy_until) for one in people],
        ready_s=[seconds(task.ready_at, 0.0) for task in tasks],
        due_s=[seconds(task.due_at, inf) for task in tasks],
        priority=[task.priority for task in tasks],
        bounds=[
            (
                inf if one.max_tasks is None else one.max_tasks,
                inf if one.max_hours is None else one.max_hours * 3600,
            )
            for one in people
        ],
        weights=weights,
        spread_ratio=estimates.spread_ratio,
    )


def _fill(board: Board, tasks: Sequence[OpenTask]) -> None:
    before = predecessors(tasks)
    if not before:
        assign_places(board)
        improve(board)
        return
    ready_s = board.ready_s
    board.set_ready(earliest(board, before, ready_s))
    assign_places(board)
    best: tuple[tuple[float, float], list[list[int]], list[float]] | None = None
    improve(board)
    for number in range(_SETTLINGS):
        if number:
            improve(board, rounds=1)
        settle(board, before, ready_s)
        missing = sum(board.priority[task] for task, one in enumerate(board.holder) if one is None)
        value = (missing, sum(board.costs))
        if best is None or value < best[0]:
            best = (value, [list(order) for order in board.orders], board.ready_s)
    assert best is not None  # noqa: S101
    for person, order in enumerate(best[1]):
        board.put(person, order)
    board.set_ready(best[2])
