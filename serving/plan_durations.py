"""How long each of the people of plans would take for each task, and when those are due."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipelines.contracts import Model
from pipelines.learning.allocation import AvailablePerson, Estimates
from pipelines.learning.allocation.working_time import working_time
from pipelines.learning.task_duration.durations import (
    SPREAD_INTERVAL,
    TaskDurations,
    spread_ratio,
)
from pipelines.learning.task_duration.model import TaskDurationModel
from pipelines.learning.task_duration.spans import Span
from pipelines.store.task_rows import TaskQuestion
from serving import metrics
from serving.advice import Advice
from serving.to_plan import ToPlan

_DUE_AT: Final = "workflow_progress__due_at"
_LEAST_S: Final = 60.0
_SPREAD_ROWS: Final = 200  # enough to say how sure the model is

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Durations:
    """What is known of a plan's tasks: by whom in what time, until when, and since when."""

    estimates: Estimates
    due_at: Mapping[str, datetime | None]  # the workflow of a task, by the task's id
    known_at: datetime  # the youngest of all
    degraded_because: str | None


def plan_durations(advice: Advice, asked: Sequence[ToPlan]) -> list[Durations]:
    """Say how long everybody would take for everything, for some plans at once.

    Args:
        advice: whose version and moment they are.
        asked: the plans, in whose order the answers are.

    Raises:
        FeaturesAwayError: neither the online store nor the copy from the lake can be read.
    """
    questions = [
        TaskQuestion(task.workflow_id, task.activity, person.person_id, task.team_id)
        for plan in asked
        for task in plan.tasks.values()
        for person in plan.available
    ]
    if not questions:
        return []
    read = advice.runtime.task_features.read(questions, advice.as_of)
    columns = read.rows.columns
    ends = accumulate((len(plan.tasks) * len(plan.available) for plan in asked), initial=0)
    rows = [slice(*of_plan) for of_plan in pairwise(ends)]
    durations: TaskDurations = advice.choice.loaded.predictor
    models = durations.models
    model = models[Span.SERVICE if Span.SERVICE in models else list(models)[-1]]
    with metrics.INFERENCE_SECONDS.labels(Model.TASK_DURATION.value).time():
        medians_s, spreads = _predicted(model, columns, rows)
    said = []
    for plan, of_plan, spread in zip(asked, rows, spreads, strict=True):
        shape = len(plan.tasks), len(plan.available)
        of_tasks = slice(of_plan.start, of_plan.stop, shape[1])  # by the first of the people
        known = [at for at in columns["features_known_at"][of_tasks] if at is not None]
        elapsed_s = medians_s[of_plan].reshape(shape)
        said.append(
            Durations(
                Estimates(_working_hours(elapsed_s, plan.available, advice.as_of), spread),
                dict(zip(plan.tasks, columns[_DUE_AT][of_tasks], strict=True)),
                max(known, default=advice.as_of),
                read.degraded_because,
            )
        )
    return said


def _predicted(
    model: TaskDurationModel, columns: Mapping[str, Sequence[Any]], rows: Sequence[slice]
) -> tuple[Values, list[float]]:
    """Return the medians in seconds, and how sure they are, which some of many rows tell."""
    if rows[-1].stop <= _SPREAD_ROWS * len(rows):
        answers = model.predict_columns(columns, [SPREAD_INTERVAL])
        parts = [{name: of[some] for name, of in answers.items()} for some in rows]
        return answers[model.span.value], [spread_ratio(part, model.span) for part in parts]
    medians_s = model.predict_columns(columns, [])[model.span.value]
    spreads = []
    for of_plan in rows:
        step = max(1, (of_plan.stop - of_plan.start) // _SPREAD_ROWS)
        some = {name: of[of_plan.start : of_plan.stop : step] for name, of in columns.items()}
        spreads.append(spread_ratio(model.predict_columns(some, [SPREAD_INTERVAL]), model.span))
    return medians_s, spreads


def _working_hours(elapsed_s: Values, people: Sequence[AvailablePerson], as_of: datetime) -> Values:
    """Turn time that goes by into time that is worked, if a task began with the next hours.

    The history tells when a task was started and completed, nights in between included; the
    plan counts working time only.
    """
    hours = np.full(elapsed_s.shape, np.inf)
    for column, person in enumerate(people):
        calendar = working_time(tuple(person.working), as_of, None)
        if calendar.total == 0:
            continue
        begin = calendar.begin_of(0.0)
        worked = [calendar.work_until(begin + elapsed) for elapsed in elapsed_s[:, column]]
        hours[:, column] = np.maximum(worked, _LEAST_S) / 3_600
    return hours
