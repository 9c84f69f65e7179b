"""How long tasks take, named by their ids."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from pipelines.contracts import Model
from pipelines.learning.task_duration.spans import Span as SpanKind
from pipelines.store.task_rows import TaskQuestion
from serving import metrics
from serving.advice import Advice
from serving.advise import advise_about_each, advise_again
from serving.asked import Row, Started, output_of
from serving.cache import Subject
from serving.problems import EndedTaskError, ProblemError, UnknownTaskError
from serving.schemas import Problem, WorkflowProblem
from serving.spans import predicted, spans_of
from serving.task_schemas import OneTask, Span, TaskDuration, TaskDurationBatch
from serving.tasks import Task
from serving.traffic import Variant

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
    person_id = question.person_id or task.person_id
    if person_id != task.person_id:  # what if is asked once
        (answer,) = _answers(runtime, tasks, person_id, started)
        return answer.model_dump_json().encode()
    return advise_again(
        runtime,
        Model.TASK_DURATION,
        Subject.of(task.workflow_id, question, task),
        lambda advice: _said(advice, tasks, None)[0],
        started,
        inputs=_inputs(task.task_id, person_id),
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
    answers = _answers(runtime, tasks, None, started) if tasks else []
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


def _answers(
    runtime: "Runtime", tasks: Sequence[Task], person_id: str | None, started: Started
) -> list[TaskDuration]:
    def say(advice: Advice, positions: Sequence[int]) -> list[TaskDuration]:
        asked = [tasks[position] for position in positions]
        if advice.choice.variant is Variant.SHADOW:  # what if is nothing to compare versions by
            asked = [task for task in asked if person_id in {None, task.person_id}]
        return _said(advice, asked, person_id) if asked else []

    ids = [task.workflow_id for task in tasks]
    return advise_about_each(runtime, Model.TASK_DURATION, ids, say, started)


def _said(advice: Advice, tasks: Sequence[Task], person_id: str | None) -> list[TaskDuration]:
    questions = [
        TaskQuestion(task.workflow_id, task.activity, person_id or task.person_id, task.team_id)
        for task in tasks
    ]
    features = advice.runtime.task_features.read(questions, advice.as_of)
    with metrics.INFERENCE_SECONDS.labels(Model.TASK_DURATION.value).time():
        durations = predicted(advice.choice.loaded.predictor, features)
    return [
        _answer(replace(advice, prediction_id=uuid4()), task, row, spans)
        for task, row, spans in zip(tasks, features.rows(), spans_of(durations), strict=True)
    ]


def _answer(advice: Advice, task: Task, row: Row, spans: dict[SpanKind, Span]) -> TaskDuration:
    is_what_if = row["person_id"] != task.person_id
    if is_what_if:
        asked = replace(advice.choice, variant=Variant.WHAT_IF, propensity=None)
        advice = replace(advice, choice=asked)
    said = advice.said(task.workflow_id, row["features_known_at"] or advice.as_of)
    answer = TaskDuration(
        **said,
        task_id=task.task_id,
        activity=task.activity,
        person_id=row["person_id"],
        is_what_if=is_what_if,
        waiting_time=spans.get(SpanKind.WAITING),
        service_time=spans.get(SpanKind.SERVICE),
        sojourn_time=spans.get(SpanKind.SOJOURN),
        expected_completed_at=_expected(task, spans, advice.as_of),
    )
    given = advice.choice.loaded.predictor.input_columns
    advice.log(
        said,
        inputs=_inputs(task.task_id, row["person_id"]),
        features={name: row[name] for name in given},
        output=output_of(answer),
        task_id=task.task_id,
    )
    return answer


def _inputs(task_id: str, person_id: str | None) -> dict[str, str | None]:
    return {"task_id": task_id, "person_id": person_id}


def _expected(task: Task, spans: dict[SpanKind, Span], as_of: datetime) -> datetime | None:
    """Return when the medians let it end: from its start, else from when it became ready."""
    kind, since = SpanKind.SERVICE, task.started_at
    if since is None or kind not in spans:
        kind, since = SpanKind.SOJOURN, task.created_at or as_of
    if kind not in spans:
        return None
    return max(as_of, since + timedelta(seconds=spans[kind].median_s))
