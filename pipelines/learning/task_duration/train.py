"""Train the task durations and measure them beside their baselines."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from pipelines.contracts import Model
from pipelines.errors import TrainingError
from pipelines.learning.columns import AS_OF, PART, WEIGHT, WORKFLOW_ID
from pipelines.learning.comparison import compared, gains
from pipelines.learning.gain import gain_shares
from pipelines.learning.gate import beats_baseline
from pipelines.learning.metrics import HOUR_S, LEAST_OF_SEGMENT, Metrics
from pipelines.learning.model_card import model_card
from pipelines.learning.search import TRIAL_COUNT
from pipelines.learning.split import Part
from pipelines.learning.task_duration.durations import TaskDurations
from pipelines.learning.task_duration.features import TASK_ACTIVITY
from pipelines.learning.task_duration.fit import LOSS_NAME, Fitted, Mask, fit_task_duration
from pipelines.learning.task_duration.measure import (
    duration_baselines,
    evaluate_durations,
)
from pipelines.learning.task_duration.model import MEDIAN
from pipelines.learning.task_duration.rows import SPAN
from pipelines.learning.task_duration.spans import Span
from pipelines.learning.trained import TrainedModel, training_facts
from pipelines.learning.training_set import TrainingSet, rows_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_VALIDATION_RATIO: Final = 0.2
_LEAST_ROWS: Final = 300
_SAMPLE_ROWS: Final = 5


def train_durations(
    training_set: TrainingSet, *, seed: int = 0, trial_count: int = TRIAL_COUNT
) -> TrainedModel:
    """Train a model of each span with enough tasks; the latest training workflows choose.

    Args:
        training_set: made from `task_questions` with their features.
        seed: of the search, of bagging and feature sampling.
        trial_count: learners and hyper-parameters to try for each span.

    Raises:
        TrainingError: no span has enough tasks.
    """
    frame = training_set.frame
    train_rows, test_rows = rows_of(frame, Part.TRAIN), rows_of(frame, Part.TEST)
    fitted = {}
    for span in Span:
        rows = train_rows[train_rows[SPAN] == span.value].reset_index(drop=True)
        if len(rows) >= _LEAST_ROWS and (test_rows[SPAN] == span.value).any():
            known = rows.drop(columns=[SPAN, PART])
            fitted[span] = fit_task_duration(
                known,
                *_masks(known),
                span,
                weight=rows[WEIGHT].to_numpy(dtype=float),
                trial_count=trial_count,
                seed=seed,
            )
    if not fitted:
        raise TrainingError(
            f"{len(train_rows)} durations of tasks, at least {_LEAST_ROWS} of one kind (waiting, "
            "service or sojourn) and some later ones are needed: import a longer history."
        )
    durations = TaskDurations({span: one.model for span, one in fitted.items()}, facts={})
    metrics = evaluate_durations(durations, frame)
    baselines = duration_baselines(frame)
    facts = training_facts(training_set, train_rows, test_rows) | {
        "beats_baseline": beats_baseline(Model.TASK_DURATION, metrics, baselines),
        "validation_measure": LOSS_NAME,
        "tried": [
            {SPAN: _short(span)} | tried
            for span, one in fitted.items()
            for tried in one.choice.tried
        ],
    }
    durations = replace(durations, facts=facts)
    segments = {"activity": _by_activity(durations, test_rows)}
    importance = gain_shares(
        (one.booster, [model.encoder.names[i] for i in one.columns])
        for model in durations.models.values()
        for one in model.blends[MEDIAN].members
    )
    return TrainedModel(
        model=Model.TASK_DURATION,
        predictor=durations,
        params={"seed": seed, "trial_count": trial_count}
        | {
            f"{_short(span)}_{name}": value
            for span, one in fitted.items()
            for name, value in one.choice.members[0].settings.items()
        },
        metrics=metrics,
        validation_metrics=_validation_metrics(fitted, train_rows),
        baseline_metrics=baselines,
        segments=segments,
        figures=_figures(metrics, baselines, importance),
        card=model_card(
            Model.TASK_DURATION,
            facts,
            metrics=metrics,
            baselines=baselines,
            segments=segments,
            importance=importance,
        ),
        test_predictions=_test_predictions(durations, test_rows),
        sample_input=test_rows[durations.input_columns].head(_SAMPLE_ROWS),
    )


def _masks(rows: pd.DataFrame) -> tuple[Mask, Mask]:
    """Return tasks to fit on, ended when the later workflows began, and the latter's tasks."""
    begun = rows.groupby(WORKFLOW_ID)[AS_OF].transform("min")
    start = (
        begun.drop_duplicates().sort_values().iloc[int(begun.nunique() * (1 - _VALIDATION_RATIO))]
    )
    validation = np.asarray(begun >= start)
    return np.asarray((rows["ended_at"] < start) & ~validation), validation


def _validation_metrics(fitted: Mapping[Span, Fitted], train_rows: pd.DataFrame) -> Metrics:
    """Measure the forerunners, who had not seen the validation rows."""
    metrics: Metrics = {}
    for span, one in fitted.items():
        rows = train_rows[train_rows[SPAN] == span.value].reset_index(drop=True)
        actual = rows.loc[_masks(rows)[1], "duration_s"].to_numpy(dtype=float)
        predicted = np.maximum(np.expm1(one.validation_scores[MEDIAN]), 0) * one.model.unit_s
        metrics[f"{_short(span)}_mae_hours"] = float(np.abs(predicted - actual).mean()) / HOUR_S
    return metrics


def _by_activity(durations: TaskDurations, rows: pd.DataFrame) -> pd.DataFrame:
    """Measure each activity's sojourn times, or what the model knows instead."""
    span = list(durations.models)[-1]
    rows = rows[rows[SPAN] == span.value]
    predicted = durations.models[span].predict(rows)
    actual = rows["duration_s"]
    low, high = (predicted[f"{span.value}_{end}90"] for end in ("low", "high"))
    table = pd.DataFrame(
        {
            "segment": rows[TASK_ACTIVITY],
            f"{_short(span)}_mae_hours": (predicted[span.value] - actual).abs() / HOUR_S,
            "coverage_90_ratio": ((low <= actual) & (actual <= high)).astype(float),
        }
    )
    groups = table.groupby("segment", sort=True)
    means = groups.mean().assign(row_count=groups.size())
    return means[means["row_count"] >= LEAST_OF_SEGMENT].reset_index()


def _figures(
    metrics: Metrics, baselines: Mapping[str, Metrics], importance: Mapping[str, float]
) -> "dict[str, Figure]":
    shown = {f"{_short(span)}_mae_hours": _short(span) for span in Span}
    inside = {
        f"{_short(span)}_coverage_{coverage}_ratio": f"{_short(span)} {coverage} %"
        for span in Span
        for coverage in ("80", "90")
    }
    known = {name: label for name, label in shown.items() if name in metrics}
    return {
        "error_by_span": compared(
            "Error of task durations",
            metrics,
            baselines,
            subtitle="Mean absolute error on later tasks; smaller is better",
            shown=known,
            unit="Hours",
        ),
        "interval_coverage": compared(
            "Coverage of the intervals",
            metrics,
            baselines,
            subtitle="Share of later tasks inside; best at 0.8 and 0.9",
            shown={name: label for name, label in inside.items() if name in metrics},
            unit="Share of tasks",
        ),
        "gain": gains(importance),
    }


def _test_predictions(durations: TaskDurations, rows: pd.DataFrame) -> pd.DataFrame:
    keys = rows[["task_id", WORKFLOW_ID, AS_OF, SPAN]]
    return keys.assign(actual=rows["duration_s"]).join(durations.predict(rows))


def _short(span: Span) -> str:
    return span.value.removesuffix("_time_s")
