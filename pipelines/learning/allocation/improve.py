"""Local search: move a task, or exchange two, as long as the plan gets cheaper."""

from math import inf
from typing import Final

from pipelines.learning.allocation.board import Board
from pipelines.learning.allocation.room import able, place_left_over

_ROUNDS: Final = 4
_NEAREST: Final = 10  # people tried for a task
_GAIN: Final = 1e-9  # of the costs compared: less is rounding


def improve(board: Board, rounds: int = _ROUNDS) -> None:
    """Move and exchange tasks until nothing gains, for some rounds at most: no clock decides."""
    count = len(board.holder)
    moves, exchanges = [-1] * count, [-1] * count
    for _ in range(rounds):
        has_changed = place_left_over(board)
        has_changed |= _move_each(board, moves)
        has_changed |= _exchange_each(board, exchanges)
        if not has_changed:
            return


def _move_each(board: Board, tried_at: list[int]) -> bool:
    """Move each task, the earliest due first, to where all orders together cost least.

    `tried_at` is the board's state at which a task was last tried: people of whom nothing has
    changed since are passed over.
    """
    has_moved = False
    for task in sorted(range(len(board.holder)), key=lambda one: (board.due_s[one], one)):
        holder = board.holder[task]
        if holder is None:
            continue
        tried, tried_at[task] = tried_at[task], board.changes
        changed_at = board.changed_at
        is_same = changed_at[holder] <= tried
        rest = [one for one in board.orders[holder] if one != task]
        rest_cost = board.cost(holder, rest)
        least = board.costs[holder] * (1 - _GAIN) - rest_cost
        target, target_order = -1, rest
        for person in able(board, task)[:_NEAREST]:
            if is_same and changed_at[person] <= tried:
                continue
            is_own = person == holder
            if not is_own and not board.has_room(person, task):
                continue
            order = rest if is_own else board.orders[person]
            before = rest_cost if is_own else board.costs[person]
            cost, place = board.best_place(task, person, order, before + least)
            if cost < inf:
                least, target = cost - before, person
                target_order = [*order[:place], task, *order[place:]]
        if target >= 0:
            board.put(holder, rest)
            board.put(target, target_order)
            has_moved = True
    return has_moved


def _exchange_each(board: Board, tried_at: list[int]) -> bool:
    """Let two people exchange a task each, place for place, wherever both together gain."""
    has_moved = False
    for task in range(len(board.holder)):
        tried, tried_at[task] = tried_at[task], board.changes
        for person in able(board, task)[:_NEAREST]:
            holder = board.holder[task]
            if holder is None or person == holder:
                continue
            if max(board.changed_at[holder], board.changed_at[person]) <= tried:
                continue
            for other in board.orders[person]:
                if board.service_s[other][holder] < inf and _exchange(
                    board, task, holder, other, person
                ):
                    has_moved = True
                    break
    return has_moved


def _exchange(board: Board, task: int, holder: int, other: int, person: int) -> bool:
    if not (board.has_room(person, task, other) and board.has_room(holder, other, task)):
        return False
    before = (board.costs[holder] + board.costs[person]) * (1 - _GAIN)
    theirs = [task if one == other else one for one in board.orders[person]]
    cost = board.cost(person, theirs, before)
    if cost == inf:
        return False
    own = [other if one == task else one for one in board.orders[holder]]
    if cost + board.cost(holder, own, before - cost) >= before:
        return False
    board.put(holder, own)
    board.put(person, theirs)
    return True
