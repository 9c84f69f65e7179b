"""Places for tasks that nobody holds: free ones, ones made free, those of lesser tasks."""

from collections import deque
from math import inf

from pipelines.learning.allocation.board import Board

Step = tuple[int, int, int | None]  # task, the person it goes to, the step it makes room for


def able(board: Board, task: int) -> list[int]:
    """Return the people who can do a task, the first to end it by their present load first."""
    service_s = board.service_s[task]
    return sorted(
        (one for one, work_s in enumerate(service_s) if work_s < inf),
        key=lambda one: (
            board.opens[one] + (service_s[one] + board.loads_s[one] / 2) * board.stretch[one],
            one,
        ),
    )


def place_left_over(board: Board) -> bool:
    """Place what nobody holds, the highest priority first, where it costs least."""
    left_over = sorted(
        (task for task, person in enumerate(board.holder) if person is None),
        key=lambda one: (-board.priority[one], board.due_s[one], one),
    )
    full: set[int] = set()  # people of whom it is known that no move makes room
    has_placed = False
    for task in left_over:
        has_placed |= _place(board, task) or _make_room(board, task, full) or _displace(board, task)
    return has_placed


def _place(board: Board, task: int) -> bool:
    least, target, target_order = inf, -1, [0]
    for person in able(board, task):
        if board.has_room(person, task):
            order = board.orders[person]
            cost, place = board.best_place(task, person, order, board.costs[person] + least)
            if cost < inf:
                least, target = cost - board.costs[person], person
                target_order = [*order[:place], task, *order[place:]]
    if target >= 0:
        board.put(target, target_order)
    return target >= 0


def _make_room(board: Board, task: int, full: set[int]) -> bool:
    """Move tasks on from person to person until one has room: an augmenting path (Berge 1957).

    Finds room wherever only the count of tasks binds; with hours and calendars it may miss some.
    """
    steps: list[Step] = [(task, one, None) for one in able(board, task) if one not in full]
    seen = {person for _, person, _ in steps} | full
    queue = deque(range(len(steps)))
    while queue:
        number = queue.popleft()
        carried, person, _ = steps[number]
        for other in board.orders[person]:
            if not _fits_instead(board, person, carried, other):
                continue
            for target in able(board, other):
                if target in seen:
                    continue
                steps.append((other, target, number))
                if _fits(board, target, other):
                    _follow(board, steps)
                    return True
                seen.add(target)
                queue.append(len(steps) - 1)
    full |= seen
    return False


def _displace(board: Board, task: int) -> bool:
    """Take the place of a task of lower priority, of the lowest there is."""
    lesser = sorted(
        (board.priority[other], -board.due_s[other], other)
        for person in able(board, task)
        for other in board.orders[person]
        if board.priority[other] < board.priority[task]
    )
    for *_, other in lesser:
        person = board.holder[other]
        if person is not None and _fits_instead(board, person, task, other):
            board.put(person, _instead(board, person, task, other))
            return True
    return False


def _follow(board: Board, steps: list[Step]) -> None:
    """Take the last step's task to its new person, and so on back to the first."""
    task, person, before = steps[-1]
    order = board.orders[person]
    _, place = board.best_place(task, person, order, inf)
    board.put(person, [*order[:place], task, *order[place:]])
    while before is not None:
        leaving = task
        task, person, before = steps[before]
        board.put(person, _instead(board, person, task, leaving))


def _fits(board: Board, person: int, task: int) -> bool:
    if not board.has_room(person, task):
        return False
    return board.best_place(task, person, board.orders[person], inf)[0] < inf


def _fits_instead(board: Board, person: int, task: int, other: int) -> bool:
    return (
        board.has_room(person, task, other)
        and board.cost(person, _instead(board, person, task, other)) < inf
    )


def _instead(board: Board, person: int, task: int, other: int) -> list[int]:
    return [task if one == other else one for one in board.orders[person]]
