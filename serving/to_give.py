"""The tasks that questions about people ask about: what is to be done, by when, and by whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.learning.assignee.state import AssigneeState
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


def to_give(
    runtime: "Runtime", state: AssigneeState, questions: Sequence[AssigneeOfTask | AssigneeOfStep]
) -> list[ToGive | ProblemError]:
    """Find what each question asks about, or why nothing can be said about it.

    Raises:
        HistoryAwayError: the database does not answer.
    """
    ids = [question.task_id for question in questions if isinstance(question, AssigneeOfTask)]
    tasks = runtime.history.tasks(list(dict.fromkeys(ids))) if ids else {}
    found: list[ToGive | ProblemError] = []
    for question in questions:
        try:
            if isinstance(question, AssigneeOfTask):
                found.append(_task(runtime, tasks.get(question.task_id), question))
            else:
                found.append(_step(runtime, state, question))
        except ProblemError as fault:
            found.append(fault)
    return found


def _task(runtime: "Runtime", found: Task | None, question: AssigneeOfTask) -> ToGive:
    task = require_open(question.task_id, found, runtime.clock.read().as_of)
    people = _people(runtime, question)
    of = task.workflow_id, task.activity, task.team_id
    return ToGive(*of, people, task.task_id, task.due_at)


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
    return ToGive(question.workflow_id, question.activity, question.team_id, people)


def _people(runtime: "Runtime", limits: Limits) -> Sequence[str] | None:
    """Return who was asked about and has the skills; None: everybody."""
    people = None if limits.person_ids is None else list(dict.fromkeys(limits.person_ids))
    if not limits.required_skills:
        return people
    skilled = runtime.history.skilled(limits.required_skills)
    return sorted(skilled) if people is None else [one for one in people if one in skilled]
