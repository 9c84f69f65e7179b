"""Which constraint a task fails on, and why."""

from collections.abc import Sequence
from datetime import datetime
from math import inf

from pipelines.learning.allocation.board import Board
from pipelines.learning.allocation.eligible import why_nobody
from pipelines.learning.allocation.plan import Constraint, Unmet
from pipelines.learning.allocation.problem import AvailablePerson, OpenTask
from pipelines.learning.allocation.words import duration, listed, moment


def why_unplanned(
    board: Board, tasks: Sequence[OpenTask], people: Sequence[AvailablePerson], task: int
) -> Unmet:
    """Say why a task is not in the plan."""
    able = [one for one, work_s in enumerate(board.service_s[task]) if work_s < inf]
    if not able:
        return why_nobody(tasks[task], people)
    constraint, because = (
        _waits(board, tasks, task)
        or _too_long(board, people, task, able)
        or _taken(board, people, task, able)
    )
    return Unmet(
        tasks[task].task_id, constraint, is_planned=False, explanation=f"Not planned: {because}."
    )


def _waits(board: Board, tasks: Sequence[OpenTask], task: int) -> tuple[Constraint, str] | None:
    """Name a predecessor that is not planned either; the task itself at the end of a circle."""
    numbers = {one.task_id: number for number, one in enumerate(tasks)}
    missing = [
        one
        for one in tasks[task].predecessors
        if one in numbers and board.holder[numbers[one]] is None
    ]
    if not missing:
        return None
    return Constraint.PREDECESSORS, f"it waits for {', '.join(missing)}, not planned either"


def _too_long(
    board: Board, people: Sequence[AvailablePerson], task: int, able: Sequence[int]
) -> tuple[Constraint, str] | None:
    """Tell where nobody's calendar would hold the task even if they had no other."""
    if any(board.cost(person, [task]) < inf for person in able):
        return None
    nearest = max(
        able, key=lambda one: (board.calendars[one].total - board.service_s[task][one], -one)
    )
    work_s, total_s = board.service_s[task][nearest], board.calendars[nearest].total
    return Constraint.CALENDAR, (
        "nobody who can do it works long enough between its beginning and the end of their "
        f"calendar; {people[nearest].person_id} comes nearest, with {duration(total_s)} of free "
        f"working time in all for {duration(work_s)} of work"
    )


def _taken(
    board: Board, people: Sequence[AvailablePerson], task: int, able: Sequence[int]
) -> tuple[Constraint, str]:
    """Tell whether bounds or the hours up to the horizon are used up by other tasks."""
    full = [one for one in able if not board.has_room(one, task)]
    names = listed([people[one].person_id for one in able])
    if len(full) == len(able):
        return Constraint.CAPACITY, f"{names} can do it but hold as much as they may"
    if full:
        return Constraint.CAPACITY, (
            f"of {names}, who can do it, {len(full)} hold as much as they may and the others' "
            "working time is taken up to the end of their calendars"
        )
    return Constraint.CALENDAR, (
        f"the working time of {names}, who can do it, is taken up to the end of their calendars"
    )


def why_late(
    board: Board, task_id: str, people: Sequence[AvailablePerson], task: int, as_of: datetime
) -> Unmet:
    """Say whether anybody could have met a due date that the plan misses."""
    at_once, quickest = min(
        (board.schedule(one, [task])[0][1], one)
        for one, work_s in enumerate(board.service_s[task])
        if board.cost(one, [task]) < inf
    )
    due_s, who, best = board.due_s[task], people[quickest].person_id, moment(as_of, at_once)
    text = f"Due {moment(as_of, due_s)} but planned to end later"
    if due_s <= 0:
        text += ": it was due before this plan begins"
    elif at_once > due_s:
        text += f": even at once, nobody could end it before {best} ({who})"
    else:
        text += f": {who} could end it at {best}, but at a higher cost to other tasks"
    return Unmet(task_id, Constraint.DUE_DATE, is_planned=True, explanation=f"{text}.")
