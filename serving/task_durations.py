"""How long tasks take, named by their ids."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.contracts import Model
from serving.advice import Advice
from serving.advise import advise_about_each, advise_what_if
from serving.again import Asking, again_or_anew
from serving.asked import Started
from serving.cache import Subject
from serving.history import nothing_in_copy
from serving.problems import EndedTaskError, ProblemError, UnknownTaskError
from serving.schemas import Problem, WorkflowProblem
from serving.task_answers import WhatIf, logged_inputs, say
from serving.task_schemas import OneTask, TaskDuration, TaskDurationBatch
from serving.tasks import Task
from serving.together import Outcome, only
from serving.traffic import Choice

if TYPE_CHECKING:
    from serving.runtime import Runtime


@dataclass(frozen=True)
class AboutTask:
    """A request that asks about one task."""

    question: OneTask
    started: Started = field(default_factory=Started)


def tasks(runtime: "Runtime", asked: Sequence[AboutTask]) -> list[Outcome]:
    """Answer some requests, how long one task takes as it is, at once.

    Returns:
        The JSON of each TaskDuration, or why there is none.

    Raises:
        ProblemError: none of them can be answered: no model, no features, no database.
    """
    found, because = _tasks(runtime, [one.question.task_id for one in asked])
    known = {i: one for i, one in enumerate(found) if isinstance(one, Task)}

    def anew(_: Choice, positions: Sequence[int]) -> list[TaskDuration]:
        starts = [asked[position].started for position in positions]
        return _answers(runtime, [known[position] for position in positions], starts, because)

    askings = [
        task if isinstance(task, ProblemError) else _asking(one, task, because)
        for one, task in zip(asked, found, strict=True)
    ]
    return again_or_anew(runtime, Model.TASK_DURATION, askings, anew)


def task_if(runtime: "Runtime", asked: AboutTask) -> bytes:
    """Answer how long one task takes if that person does it, or would; return the JSON.

    Raises:
        ProblemError: it cannot be answered; one class for each reason.
    """
    (task,), because = _tasks(runtime, [asked.question.task_id])
    if isinstance(task, ProblemError):
        raise task
    what_if = WhatIf(asked.question.person_id, asked.question.overrides)
    if what_if.is_of(task):
        return only(tasks(runtime, [asked]))

    def would(advice: Advice) -> TaskDuration:
        advice.degrade(because)
        return say([advice], [task], what_if)[0]

    answer = advise_what_if(runtime, Model.TASK_DURATION, task.workflow_id, would, asked.started)
    return answer.model_dump_json().encode()


def task_batch(runtime: "Runtime", task_ids: Sequence[str]) -> TaskDurationBatch:
    """Answer about each task, or say what is wrong with it, both in the order asked.

    Raises:
        ProblemError: nothing at all can be answered: no model, no features, no database.
    """
    started = Started()
    found, because = _tasks(runtime, task_ids)
    known = [one for one in found if isinstance(one, Task)]
    return TaskDurationBatch(
        answers=_answers(runtime, known, [started] * len(known), because),
        problems=[
            WorkflowProblem(
                workflow_id=str(fault.members.get("workflow_id", "")),
                problem=Problem(**fault.content()),
            )
            for fault in found
            if isinstance(fault, ProblemError)
        ],
    )


def require_open(task_id: str, task: Task | None, as_of: datetime, because: str | None) -> Task:
    """Return a task about which something is left to say.

    Args:
        task_id: asked about.
        task: of this id, where there is one.
        as_of: now, in the data's time.
        because: why the source was not asked but a copy; None: it was.

    Raises:
        UnknownTaskError: there is none.
        HistoryAwayError: the copy has none.
        EndedTaskError: it has ended.
    """
    if task is None and because is not None:
        raise nothing_in_copy(f"Task {task_id!r}", because)
    if task is None or (task.created_at is not None and task.created_at >= as_of):
        raise UnknownTaskError(
            f"Task {task_id!r} is unknown: the source had none of this id by "
            f"{as_of.isoformat()}. Check the id.",
            task_id=task_id,
        )
    ended_at = task.completed_at or task.cancelled_at
    if ended_at is not None and ended_at < as_of:
        raise EndedTaskError(
            f"Task {task_id!r} has ended at {ended_at.isoformat()}: there is nothing left to say.",
            task_id=task_id,
            workflow_id=task.workflow_id,
        )
    # The platform's clock may stand in the past: what happened later has not happened yet.
    is_started = task.started_at is not None and task.started_at < as_of
    return task if is_started else replace(task, started_at=None)


def _tasks(
    runtime: "Runtime", task_ids: Sequence[str]
) -> tuple[list[Task | ProblemError], str | None]:
    """Look tasks up; of one about which nothing is left to say, return why.

    The second is why they come from a copy, if they do.
    """
    runtime.watch.champion(Model.TASK_DURATION)  # without one nothing need be read
    as_of = runtime.clock.read().as_of
    ids = list(dict.fromkeys(task_ids))
    known = runtime.history.read(lambda history: history.tasks(ids))
    because = known.degraded_because
    found: list[Task | ProblemError] = []
    for task_id in task_ids:
        try:
            found.append(require_open(task_id, known.found.get(task_id), as_of, because))
        except ProblemError as fault:
            found.append(fault)
    return found, because


def _asking(asked: AboutTask, task: Task, because: str | None) -> Asking:
    about = Subject.of(task.workflow_id, asked.question, task, because)
    inputs = logged_inputs(task.task_id, task.person_id)
    return Asking(about, asked.started, inputs, task.task_id)


def _answers(
    runtime: "Runtime", tasks: Sequence[Task], starts: Sequence[Started], because: str | None
) -> list[TaskDuration]:
    def about(each: Sequence[Advice], positions: Sequence[int]) -> list[TaskDuration]:
        for advice in each:
            advice.degrade(because)
        return say(each, [tasks[position] for position in positions])

    ids = [task.workflow_id for task in tasks]
    return advise_about_each(runtime, Model.TASK_DURATION, ids, about, starts) if ids else []
