"""What plans are asked for: the open tasks, and the people who may do them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.learning.allocation import AvailablePerson
from serving.allocation_schemas import AllocationQuestion, PersonToPlan
from serving.history import Asked, Read, nothing_in_copy
from serving.people import Person
from serving.problems import ProblemError, UnknownPersonError
from serving.task_durations import require_open
from serving.tasks import Task

if TYPE_CHECKING:
    from serving.runtime import Runtime


@dataclass(frozen=True)
class ToPlan:
    """What is known of a question's tasks and people; why some tasks cannot be planned."""

    question: AllocationQuestion
    tasks: Mapping[str, Task]  # those that are open, in the order asked; at least one
    skills: Mapping[str, frozenset[str]]  # that templates ask for
    faults: Sequence[ProblemError]
    available: Sequence[AvailablePerson]  # in the order asked
    degraded_because: str | None  # all this was looked up in a copy


@dataclass(frozen=True)
class _Known:
    tasks: Mapping[str, Task]
    skills: Mapping[str, frozenset[str]]
    people: Mapping[str, Person]


def to_plan(
    runtime: "Runtime", questions: Sequence[AllocationQuestion], as_of: datetime
) -> list[ToPlan | ProblemError]:
    """Find what each question asks about, or why nothing of it can be planned.

    Raises:
        HistoryAwayError: the database does not answer.
    """
    task_ids = dict.fromkeys(one.task_id for question in questions for one in question.tasks)
    person_ids = dict.fromkeys(one.person_id for question in questions for one in question.people)

    def ask(history: Asked) -> _Known:
        return _Known(*history.with_skills(list(task_ids)), history.people(list(person_ids)))

    known = runtime.history.read(ask)
    found: list[ToPlan | ProblemError] = []
    for question in questions:
        try:
            found.append(_to_plan(question, known, as_of))
        except ProblemError as fault:
            found.append(fault)
    return found


def _to_plan(question: AllocationQuestion, read: Read[_Known], as_of: datetime) -> ToPlan:
    known, because = read.found, read.degraded_because
    open_tasks: dict[str, Task] = {}
    faults: list[ProblemError] = []
    for task_id in (one.task_id for one in question.tasks):
        try:
            open_tasks[task_id] = require_open(task_id, known.tasks.get(task_id), as_of, because)
        except ProblemError as fault:
            faults.append(fault)
    if not open_tasks:
        raise faults[0]
    ids = [one.person_id for one in question.people]
    unknown = [one for one in ids if one not in known.people]
    if unknown and because is not None:
        raise nothing_in_copy(f"Each of {', '.join(map(repr, unknown[:10]))}", because)
    if unknown:
        raise UnknownPersonError(
            f"people: the source has nobody called {', '.join(map(repr, unknown[:10]))}. Check "
            "the ids.",
            person_ids=unknown,
        )
    available = [
        _available(question, one, known.people[one.person_id], as_of) for one in question.people
    ]
    return ToPlan(question, open_tasks, known.skills, faults, available, because)


def _available(
    question: AllocationQuestion, asked: PersonToPlan, known: Person, as_of: datetime
) -> AvailablePerson:
    return AvailablePerson(
        person_id=asked.person_id,
        working=asked.working or known.periods(as_of, question.horizon_days),
        skills=frozenset(known.skills),
        team_id=known.team_id,
        busy_until=asked.busy_until,
        max_tasks=asked.max_tasks,
        max_hours=asked.max_hours,
    )
