"""What it costs to give a planned task to somebody else."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Final

from pipelines.learning.allocation.board import Board
from pipelines.learning.allocation.plan import Alternative
from pipelines.learning.allocation.problem import AvailablePerson
from pipelines.learning.allocation.room import able

_TRIED: Final = 6  # people, the first to end it by their load


def alternatives(
    board: Board, task: int, people: Sequence[AvailablePerson], as_of: datetime, count: int
) -> tuple[Alternative, ...]:
    """Return the people who could take a planned task at the least extra cost, cheapest first.

    All other tasks stay with their people in their order; what waits for the task elsewhere is
    not followed further.
    """
    holder = board.holder[task]
    if not count:
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
    return tuple(
        _moved(board, task, (person, place), people[person].person_id, as_of)
        for _, person, place in found
    )


def _moved(
    board: Board, task: int, target: tuple[int, int], person_id: str, as_of: datetime
) -> Alternative:
    holder, (person, place) = board.holder[task], target
    assert holder is not None  # noqa: S101
    own, theirs = board.orders[holder], board.orders[person]
    rest = [one for one in own if one != task]
    more = [*theirs[:place], task, *theirs[place:]]
    before = [board.sums(holder, own), board.sums(person, theirs)]
    after = [board.sums(holder, rest), board.sums(person, more)]
    begin, end, _ = board.schedule(person, more)[place]
    return Alternative(
        person_id=person_id,
        planned_start_at=as_of + timedelta(seconds=begin),
        planned_end_at=as_of + timedelta(seconds=end),
        extra_lateness_s=sum(one.lateness_s for one in after) - sum(o.lateness_s for o in before),
        extra_time_s=sum(one.time_s for one in after) - sum(one.time_s for one in before),
        extra_work_s=sum(one.work_s for one in after) - sum(one.work_s for one in before),
    )
