"""How long tasks take, named by their ids."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.contracts import Model
from serving.advice import Advice
from serving.advise import advise_about_each, advise_again, advise_what_if
from serving.asked import Started
from serving.cache import Subject
from serving.problems import EndedTaskError, ProblemError, UnknownTaskError
from serving.schemas import Problem, WorkflowProblem
from serving.task_answers import WhatIf, logged_inputs, say
from serving.task_schemas import OneTask, TaskDuration, TaskDurationBatch
from serving.tasks import Task

if TYPE_CHECKING:
    from serving.runtime import Runtime


def one_task(runtime: "Runtime", question: OneTask) -> bytes:
    """Answer how long one task takes, if that person does it; return the JSON of a TaskDuration.

    Raises:
        ProblemError: it cannot be answered; one class for each reason.
    """
    started = Started()
    runtime.watch.champion(Model.TASK_DURATION)  # without one nothing need be read
    tasks, faults = _tasks(runtime, [question.task_id])
    for fault in faults.values():
        raise fault
    task = tasks[0]
    what_if = WhatIf(question.person_id, question.overrides)
    if not what_if.is_of(task):
        answer = advise_what_if(
            runtime,
            Model.TASK_DURATION,
            task.workflow_id,
            lambda advice: say(advice, tasks, what_if)[0],
            started,
        )
        return answer.model_dump_json().encode()
    return advise_again(
        runtime,
        Model.TASK_DURATION,
        Subject.of(task.workflow_id, question, task),
        lambda advice: say(advice, tasks)[0],
        started,
        inputs=logged_inputs(task.task_id, task.person_id),
        task_id=task.task_id,
    )


def task_batch(runtime: "Runtime", task_ids: Sequence[str]) -> TaskDurationBatch:
    """Answer about each task, or say what is wrong with it, both in the order asked.

    Raises:
        ProblemError: nothing at all can be answered: no model, no features, no database.
    """
    started = Started()
    runtime.watch.champion(Model.TASK_DURATION)
    tasks, faults = _tasks(runtime, task_ids)
    answers = _answers(runtime, tasks, started) if tasks else []
    return TaskDurationBatch(
        answers=answers,
        problems=[
            WorkflowProblem(
                workflow_id=str(fault.members.get("workflow_id", "")),
                problem=Problem(**fault.content()),
            )
            for fault in faults.values()
        ],
    )


def require_open(task_id: str, task: Task | None, as_of: datetime) -> Task:
    """Return a task about which something is left to say.

    Raises:
        UnknownTaskError: there is none.
        EndedTaskError: it has ended.
    """
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
) -> tuple[list[Task], dict[str, ProblemError]]:
    as_of = runtime.clock.read().as_of
    found = runtime.history.tasks(task_ids)
    tasks: list[Task] = []
    faults: dict[str, ProblemError] = {}
    for task_id in task_ids:
        try:
            tasks.append(require_open(task_id, found.get(task_id), as_of))
        except ProblemError as fault:
            faults[task_id] = fault
    return tasks, faults


def _answers(runtime: "Runtime", tasks: Sequence[Task], started: Started) -> list[TaskDuration]:
    def about(advice: Advice, positions: Sequence[int]) -> list[TaskDuration]:
        return say(advice, [tasks[position] for position in positions])

    ids = [task.workflow_id for task in tasks]
    return advise_about_each(runtime, Model.TASK_DURATION, ids, about, started)
