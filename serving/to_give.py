"""The tasks that questions about people ask about: what is to be done, by when, and by whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.learning.assignee.state import AssigneeState
from serving.history import Read
from serving.problems import ProblemError, UnknownActivityError, UnknownWorkflowError
from serving.task_durations import require_open
from serving.task_schemas import AssigneeOfStep, AssigneeOfTask, Limits
from serving.tasks import Task

if TYPE_CHECKING:
    from serving.runtime import Runtime

_SHOWN = 20  # activities, to whom one is named that there is not


@dataclass(frozen=True)
class ToGive:
    """The task to give: of a workflow, an activity, a team, by when, and to whom it may go."""

    workflow_id: str
    activity: str
    team_id: str | None
    person_ids: Sequence[str] | None  # None: to anybody
    task_id: str | None = None
    due_at: datetime | None = None
    degraded_because: str | None = None  # it, or who has the skills, was looked up in a copy


def to_give(
    runtime: "Runtime", state: AssigneeState, questions: Sequence[AssigneeOfTask | AssigneeOfStep]
) -> list[ToGive | ProblemError]:
    """Find what each question asks about, or why nothing can be said about it.

    Raises:
        HistoryAwayError: the database does not answer.
    """
    ids = [question.task_id for question in questions if isinstance(question, AssigneeOfTask)]
    tasks: Read[Mapping[str, Task]] = Read({})
    if ids:
        tasks = runtime.history.read(lambda history: history.tasks(list(dict.fromkeys(ids))))
    found: list[ToGive | ProblemError] = []
    for question in questions:
        try:
            if isinstance(question, AssigneeOfTask):
                found.append(_task(runtime, tasks, question))
            else:
                found.append(_step(runtime, state, question))
        except ProblemError as fault:
            found.append(fault)
    return found


def _task(runtime: "Runtime", known: Read[Mapping[str, Task]], question: AssigneeOfTask) -> ToGive:
    task_id, as_of = question.task_id, runtime.clock.read().as_of
    task = require_open(task_id, known.found.get(task_id), as_of, known.degraded_because)
    people = _people(runtime, question)
    of = task.workflow_id, task.activity, task.team_id
    because = known.degraded_because or people.degraded_because
    return ToGive(*of, people.found, task_id, task.due_at, because)


def _step(runtime: "Runtime", state: AssigneeState, question: AssigneeOfStep) -> ToGive:
    if question.workflow_id not in state.workflows:
        raise UnknownWorkflowError(
            f"Workflow {question.workflow_id!r} is unknown: no event of it is known. Check the id.",
            workflow_id=question.workflow_id,
        )
    if question.activity not in state.activities:
        raise UnknownActivityError(
            f"activity: nobody ever did {question.activity!r}; there are "
            f"{', '.join(sorted(state.activities)[:_SHOWN])}, and perhaps more.",
            activity=question.activity,
        )
    people = _people(runtime, question)
    of = question.workflow_id, question.activity, question.team_id
    return ToGive(*of, people.found, degraded_because=people.degraded_because)


def _people(runtime: "Runtime", limits: Limits) -> Read[Sequence[str] | None]:
    """Return who was asked about and has the skills; None: everybody."""
    people = None if limits.person_ids is None else list(dict.fromkeys(limits.person_ids))
    if not limits.required_skills:
        return Read(people)
    skilled = runtime.history.read(lambda history: history.skilled(limits.required_skills))
    able = sorted(skilled.found) if people is None else [p for p in people if p in skilled.found]
    return Read(able, skilled.degraded_because)
