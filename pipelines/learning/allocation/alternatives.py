"""What it costs to give a planned task to somebody else."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Final

from pipelines.learning.allocation.board import Board, Sums
from pipelines.learning.allocation.plan import Alternative
from pipelines.learning.allocation.problem import AvailablePerson
from pipelines.learning.allocation.room import able

_TRIED: Final = 6  # people, the first to end it by their load


def alternatives(
    board: Board,
    task: int,
    people: Sequence[AvailablePerson],
    as_of: datetime,
    count: int,
    *,
    sums: Sequence[Sums],
) -> tuple[Alternative, ...]:
    """Return the people who could take a planned task at the least extra cost, cheapest first.

    All other tasks stay with their people in their order; what waits for the task elsewhere is
    not followed further. `sums` are those of each person as the board stands.
    """
    holder = board.holder[task]
    if not count or holder is None:
        return ()
    found: list[tuple[float, int, int]] = []
    limit = inf
    for person in able(board, task)[:_TRIED]:
        if person == holder or not board.has_room(person, task):
            continue
        before = board.costs[person]
        cost, place = board.best_place(task, person, board.orders[person], before + limit)
        if cost < inf:
            found = sorted([*found, (cost - before, person, place)])[:count]
            limit = found[-1][0] if len(found) == count else inf
    if not found:
        return ()
    rest = [one for one in board.orders[holder] if one != task]
    without = board.sums(holder, rest, board.schedule(holder, rest))

    def moved(person: int, place: int) -> Alternative:
        theirs = board.orders[person]
        more = [*theirs[:place], task, *theirs[place:]]
        times = board.schedule(person, more)
        before, after = [sums[holder], sums[person]], [without, board.sums(person, more, times)]
        begin, end, _ = times[place]
        return Alternative(
            person_id=people[person].person_id,
            planned_start_at=as_of + timedelta(seconds=begin),
            planned_end_at=as_of + timedelta(seconds=end),
            extra_lateness_s=sum(o.lateness_s for o in after) - sum(o.lateness_s for o in before),
            extra_time_s=sum(one.time_s for one in after) - sum(one.time_s for one in before),
            extra_work_s=sum(one.work_s for one in after) - sum(one.work_s for one in before),
        )

    return tuple(moved(person, place) for _, person, place in found)
