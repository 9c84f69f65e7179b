"""Tasks that wait for others: orders of different people that fit together, and their times."""

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush
from math import inf

from pipelines.learning.allocation.board import Board
from pipelines.learning.allocation.problem import OpenTask

Before = Mapping[int, Sequence[int]]


def predecessors(tasks: Sequence[OpenTask]) -> dict[int, list[int]]:
    """Return for each task that waits for open ones their numbers."""
    numbers = {task.task_id: number for number, task in enumerate(tasks)}
    before = {
        number: sorted({numbers[one] for one in task.predecessors if one in numbers})
        for number, task in enumerate(tasks)
    }
    return {number: waited for number, waited in before.items() if waited}


def in_sequence(count: int, before: Before, begins: Sequence[float]) -> list[int]:
    """Order tasks by begin and number, predecessors always first; those in a cycle are left out."""
    waiting = {task: len(waited) for task, waited in before.items()}
    after: dict[int, list[int]] = {}
    for task, waited in before.items():
        for one in waited:
            after.setdefault(one, []).append(task)
    heap = [(begins[task], task) for task in range(count) if not waiting.get(task)]
    heapify(heap)
    order = []
    while heap:
        _, task = heappop(heap)
        order.append(task)
        for one in after.get(task, ()):
            waiting[one] -= 1
            if not waiting[one]:
                heappush(heap, (begins[one], one))
    return order


def earliest(board: Board, before: Before, ready_s: Sequence[float]) -> list[float]:
    """Return when each task can begin at best: after the quickest end of what it waits for."""
    ready = list(ready_s)
    for task in in_sequence(len(ready), before, [0.0] * len(ready)):
        for one in before.get(task, ()):
            ready[task] = max(ready[task], ready[one] + min(board.service_s[one], default=inf))
    return ready


def settle(board: Board, before: Before, ready_s: Sequence[float]) -> None:
    """Make the orders fit together, and each task ready when all it waits for has ended.

    All orders become parts of one sequence in which predecessors come first, so nobody waits
    in a circle. What no longer ends within its person's calendar, or waits for what is not
    planned, leaves the board.
    """
    begins = [inf] * len(ready_s)
    for person, order in enumerate(board.orders):
        for task, (begin, _, _) in zip(order, board.schedule(person, order), strict=True):
            begins[task] = begin
    ready = list(ready_s)
    ends: dict[int, float] = {}
    orders: list[list[int]] = [[] for _ in board.orders]
    done_s = [0.0] * len(board.orders)
    for task in in_sequence(len(ready_s), before, begins):
        holder = board.holder[task]
        waited = before.get(task, ())
        if holder is None or any(one not in ends for one in waited):
            continue
        ready[task] = max([ready_s[task], *(ends[one] for one in waited)])
        calendar = board.calendars[holder]
        done = max(done_s[holder], calendar.work_until(ready[task]))
        done += board.service_s[task][holder]
        if done > calendar.total:
            continue
        done_s[holder] = done
        ends[task] = calendar.end_of(done)
        orders[holder].append(task)
    for person, order in enumerate(orders):
        board.put(person, order)
    board.set_ready(ready)
