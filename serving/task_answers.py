"""What is said about tasks by one version of the model: as they are, or as they might be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pipelines.contracts import Model
from pipelines.learning.encode import Column
from pipelines.learning.task_duration.durations import TaskDurations
from pipelines.learning.task_duration.spans import Span as SpanKind
from pipelines.store.task_rows import TaskQuestion
from serving import metrics
from serving.advice import Advice
from serving.asked import Row, output_of
from serving.overrides import Overrides, overridden
from serving.spans import spans_of
from serving.task_features import TASK_NAMES
from serving.task_schemas import Span, TaskDuration
from serving.tasks import Task
from serving.traffic import Variant


@dataclass(frozen=True)
class WhatIf:
    """How a task is asked about that is not as it is; None: as it is."""

    person_id: str | None = None
    overrides: Overrides | None = None

    def is_of(self, task: Task) -> bool:
        """Whether the task is so."""
        return not self.overrides and self.person_id in {None, task.person_id}


AS_IT_IS: Final = WhatIf()


def say(
    each: Sequence[Advice], tasks: Sequence[Task], what_if: WhatIf = AS_IT_IS
) -> list[TaskDuration]:
    """Answer how long tasks take, in their order, each as the advice of one version; and log it.

    Raises:
        FeaturesAwayError: neither the online store nor the copy from the lake can be read.
        InvalidRequestError: the version has no such feature, or the feature no such value.
    """
    questions = [
        TaskQuestion(
            task.workflow_id, task.activity, what_if.person_id or task.person_id, task.team_id
        )
        for task in tasks
    ]
    advice = each[0]  # what they have in common
    read = advice.runtime.task_features.read(questions, advice.as_of)
    for one in each:
        one.degrade(read.degraded_because)
    features = read.rows
    if what_if.overrides:
        known = _columns(advice.choice.loaded.predictor)
        features = overridden(features, known, what_if.overrides, advice.model)
    with metrics.INFERENCE_SECONDS.labels(Model.TASK_DURATION.value).time():
        durations = advice.choice.loaded.predictor.predict_columns(features.columns)
    rows = features.rows()
    answers = [
        _answer(*of, what_if) for of in zip(each, tasks, rows, spans_of(durations), strict=True)
    ]
    # Not before all are there: what a version that fails would have said was never answered.
    for of, answer, row in zip(each, answers, rows, strict=True):
        _log(of, answer, row)
    return answers


def _answer(
    advice: Advice, task: Task, row: Row, spans: dict[SpanKind, Span], what_if: WhatIf
) -> TaskDuration:
    return TaskDuration(
        **advice.said(task.workflow_id, row["features_known_at"] or advice.as_of),
        task_id=task.task_id,
        activity=task.activity,
        person_id=row["person_id"],
        is_what_if=advice.choice.variant is Variant.WHAT_IF,
        overrides=what_if.overrides or {},
        waiting_time=spans.get(SpanKind.WAITING),
        service_time=spans.get(SpanKind.SERVICE),
        sojourn_time=spans.get(SpanKind.SOJOURN),
        expected_completed_at=_expected(task, spans, advice.as_of),
    )


def _log(advice: Advice, answer: TaskDuration, row: Row) -> None:
    given = advice.choice.loaded.predictor.input_columns
    advice.log(
        vars(answer),
        inputs=logged_inputs(answer.task_id, answer.person_id, answer.overrides),
        features={name: row[name] for name in given},
        output=output_of(answer),
        task_id=answer.task_id,
    )


def logged_inputs(
    task_id: str, person_id: str | None, overrides: Overrides | None = None
) -> dict[str, Any]:
    """Return what the log has of a question about a task."""
    changed = {"overrides": overrides} if overrides else {}
    return {"task_id": task_id, "person_id": person_id, **changed}


def _columns(model: TaskDurations) -> list[Column]:
    """Return what the model reads, but the task itself: asked about another, all would change."""
    columns = [column for of in model.models.values() for column in of.encoder.columns]
    return [column for column in columns if column.source not in TASK_NAMES]


def _expected(task: Task, spans: dict[SpanKind, Span], as_of: datetime) -> datetime | None:
    """Return when the medians let it end: from its start, else from when it became ready."""
    kind, since = SpanKind.SERVICE, task.started_at
    if since is None or kind not in spans:
        kind, since = SpanKind.SOJOURN, task.created_at or as_of
    if kind not in spans:
        return None
    return max(as_of, since + timedelta(seconds=spans[kind].median_s))
