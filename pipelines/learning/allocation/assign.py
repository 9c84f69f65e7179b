"""A first plan: who does which task, by one assignment of tasks to places in people's orders."""

from math import ceil, inf
from typing import Final

import numpy as np
from scipy.optimize import linear_sum_assignment

from pipelines.learning.allocation.board import Board

_SPARE_PLACES: Final = 2
_SPARE_RATIO: Final = 2.0  # places of a person, of what an even spread would need
# As few impossible pairs as can be, then, where places are short, the highest priorities.
_IMPOSSIBLE: Final = 1e9
_FIRST: Final = 1e5


def assign_places(board: Board) -> None:
    """Fill an empty board, as many tasks as its places hold, at the least time to all ends.

    The k-th last task of a person delays k tasks by its own service, so tasks and places from
    the last are a linear assignment (Horn 1973; Bruno, Coffman, Sethi 1974), exact where all
    are ready, equally urgent and the calendar has no gaps. Each order is then put right.
    """
    service = np.array(board.service_s)
    task_count, person_count = service.shape
    most = ceil(_SPARE_RATIO * task_count / person_count) + _SPARE_PLACES
    places = [
        (person, place)
        for person in range(person_count)
        if board.calendars[person].total
        for place in range(1, int(min(most, board.bounds[person][0])) + 1)
    ]
    if not places:
        return
    people, position = np.array(places).T
    opens = np.array([board.opens[one] for one in people])
    stretch = np.array([board.stretch[one] for one in people])
    with np.errstate(invalid="ignore"):
        hours = (opens + position * stretch * service[:, people]) / 3600
    first = _FIRST * np.array(board.priority)[:, None] / max(board.priority)
    costs = np.where(np.isfinite(hours), hours - first, _IMPOSSIBLE)
    for task, column in zip(*linear_sum_assignment(costs), strict=True):
        person = int(people[column])
        if costs[task, column] < _IMPOSSIBLE and board.has_room(person, int(task)):
            board.hold(person, int(task))
    for person in range(person_count):
        put_in_order(board, person)


def put_in_order(board: Board, person: int) -> None:
    """Order a person's tasks by the cheapest of simple rules; take the last off until they fit."""
    order = board.orders[person]
    while order:
        cost, _, best = min(
            (board.cost(person, rule), number, rule)
            for number, rule in enumerate(_orders(board, person, order))
        )
        if cost < inf:
            board.put(person, best)
            return
        dearest = max(order, key=lambda task: (board.service_s[task][person], task))
        order = [task for task in order if task != dearest]
        board.put(person, order)


def _orders(board: Board, person: int, tasks: list[int]) -> list[list[int]]:
    """Sort by time and priority, by due date, by the latest begin, and by readiness."""
    if len(tasks) == 1:
        return [tasks]

    def work_s(task: int) -> float:
        return board.service_s[task][person]

    return [
        sorted(tasks, key=lambda task: (work_s(task) / board.priority[task], task)),
        sorted(tasks, key=lambda task: (board.due_s[task], work_s(task), task)),
        sorted(tasks, key=lambda task: (board.due_s[task] - work_s(task), work_s(task), task)),
        sorted(tasks, key=lambda task: (board.ready_s[task], board.due_s[task], task)),
    ]
