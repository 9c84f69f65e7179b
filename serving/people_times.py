"""How long each of the people proposed for tasks would take, by the model of task durations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from pipelines.contracts import Model
from pipelines.learning.task_duration.durations import TaskDurations, on_time_probability
from pipelines.learning.task_duration.spans import Span as SpanKind
from pipelines.store.online_rows import ServiceRows
from pipelines.store.task_rows import TaskQuestion
from serving.advice import Advice
from serving.problems import NoChampionError, ProblemError
from serving.spans import spans_of
from serving.task_schemas import Span
from serving.to_give import ToGive

if TYPE_CHECKING:
    from serving.runtime import Runtime

_DUE_AT = "workflow_progress__due_at"


@dataclass(frozen=True)
class Time:
    """What the model of task durations says of one person."""

    sojourn: Span | None = None
    on_time_probability: float | None = None


@dataclass(frozen=True)
class Times:
    """What it says of the people proposed for one task, and when that is due."""

    each: Sequence[Time]
    due_at: datetime | None


def people_times(
    runtime: "Runtime",
    each: Sequence[Advice],
    asked: Sequence[ToGive],
    people: Sequence[Sequence[str]],
) -> list[Times]:
    """Say how long the people proposed for each task would take, all at once.

    Without a model nothing is said, and without features the advice is degraded.

    Args:
        runtime: what answers.
        each: the advice about each task.
        asked: the tasks.
        people: who is proposed for each, at least one.
    """
    nothing = [
        Times([Time()] * len(of_task), one.due_at)
        for one, of_task in zip(asked, people, strict=True)
    ]
    questions = [
        TaskQuestion(one.workflow_id, one.activity, person, one.team_id)
        for one, of_task in zip(asked, people, strict=True)
        for person in of_task
    ]
    if not questions:
        return nothing
    try:
        durations = runtime.watch.champion(Model.TASK_DURATION).predictor
        read = runtime.task_features.read(questions, each[0].as_of)
    except NoChampionError:
        return nothing
    except ProblemError as err:
        for advice in each:
            advice.degrade(f"without durations: {err.detail}")
        return nothing
    rows = read.rows
    for advice in each:
        advice.degrade(read.degraded_because)
    own_due_at = [one.due_at for one, of_task in zip(asked, people, strict=True) for _ in of_task]
    due_at = [own or of for own, of in zip(own_due_at, rows.columns[_DUE_AT], strict=True)]
    said = zip(_times(durations, rows, due_at, each[0].as_of), due_at, strict=True)
    times = []
    for of_task in people:
        part = list(islice(said, len(of_task)))
        times.append(Times([time for time, _ in part], part[0][1]))
    return times


def _times(
    durations: TaskDurations,
    rows: ServiceRows,
    due_at: Sequence[datetime | None],
    as_of: datetime,
) -> list[Time]:
    if SpanKind.SOJOURN not in durations.models:
        return [Time()] * len(due_at)
    sojourns = durations.models[SpanKind.SOJOURN].predict_columns(rows.columns)
    left_s = [np.nan if due is None else (due - as_of).total_seconds() for due in due_at]
    chances = on_time_probability(sojourns, SpanKind.SOJOURN, np.array(left_s))
    return [
        Time(span[SpanKind.SOJOURN], None if np.isnan(chance) else float(chance))
        for span, chance in zip(spans_of(sojourns), chances, strict=True)
    ]
