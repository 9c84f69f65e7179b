"""Measure task durations on later tasks, beside medians of earlier ones."""

from typing import Final

import numpy as np
import pandas as pd

from pipelines.learning.metrics import HOUR_S, Metrics
from pipelines.learning.split import Part
from pipelines.learning.task_duration.baselines import BY_ACTIVITY, BY_PERSON, group_quantile
from pipelines.learning.task_duration.durations import TaskDurations
from pipelines.learning.task_duration.rows import SPAN
from pipelines.learning.task_duration.spans import Span
from pipelines.learning.training_set import rows_of

BASELINE: Final = "by_activity"
_GROUPS: Final = {BASELINE: BY_ACTIVITY, "by_activity_and_person": BY_PERSON, "median": ()}
# Lower and upper quantile of the intervals by coverage.
_TAILS: Final = {"80": (0.1, 0.9), "90": (0.05, 0.95)}
_RATIO: Final = "mae_to_baseline_ratio"


def evaluate_durations(durations: TaskDurations, frame: pd.DataFrame) -> Metrics:
    """Measure a model on the test rows of a training set, every span it knows.

    Returns:
        In hours by span (waiting_, service_, sojourn_): mae, bias, and of the intervals coverage
        and mean width; and mae_to_baseline_ratio, the geometric mean of the spans' errors, each
        as a share of that of the medians by activity.

    Raises:
        TrainingError: a column the model reads is missing, or a side has no row.
    """
    rows = rows_of(frame, Part.TEST)
    answers = {
        span: _named(span, model.predict(rows[rows[SPAN] == span.value]))
        for span, model in durations.models.items()
        if (rows[SPAN] == span.value).any()
    }
    return measured(rows, answers, baseline_answers(frame, BASELINE))


def duration_baselines(frame: pd.DataFrame) -> dict[str, Metrics]:
    """Measure medians and quantiles of the training rows, by group, on the test rows.

    Raises:
        TrainingError: a side has no row.
    """
    rows = rows_of(frame, Part.TEST)
    every = {name: baseline_answers(frame, name) for name in _GROUPS}
    return {name: measured(rows, answers, every[BASELINE]) for name, answers in every.items()}


def baseline_answers(frame: pd.DataFrame, name: str) -> dict[Span, pd.DataFrame]:
    """Answer the test rows of each span with the quantiles of its group of training rows."""
    train, test = rows_of(frame, Part.TRAIN), rows_of(frame, Part.TEST)
    quantiles = {"median": 0.5} | {
        f"{end}{coverage}": tail
        for coverage, tails in _TAILS.items()
        for end, tail in zip(("low", "high"), tails, strict=True)
    }
    found = {}
    for span in Span:
        earlier, later = (rows[rows[SPAN] == span.value] for rows in (train, test))
        if len(earlier) and len(later):
            found[span] = pd.DataFrame(
                {
                    answer: group_quantile(earlier, later, _GROUPS[name], quantile)
                    for answer, quantile in quantiles.items()
                }
            )
    return found


def measured(
    rows: pd.DataFrame,
    answers: dict[Span, pd.DataFrame],
    simple: dict[Span, pd.DataFrame],
) -> Metrics:
    """Measure answers by span; see `evaluate_durations`."""
    metrics: Metrics = {}
    ratios = []
    for span, answer in answers.items():
        name = span.value.removesuffix("_time_s")
        actual = rows.loc[answer.index, "duration_s"].to_numpy(dtype=float)
        error = answer["median"].to_numpy(dtype=float) - actual
        mae_s = float(np.abs(error).mean())
        metrics[f"{name}_mae_hours"] = mae_s / HOUR_S
        metrics[f"{name}_bias_hours"] = float(error.mean()) / HOUR_S
        for coverage in _TAILS:
            low, high = (answer[f"{end}{coverage}"].to_numpy(float) for end in ("low", "high"))
            inside = (low <= actual) & (actual <= high)
            metrics[f"{name}_coverage_{coverage}_ratio"] = float(inside.mean())
            metrics[f"{name}_width_{coverage}_hours"] = float((high - low).mean()) / HOUR_S
        if span in simple:
            simple_s = np.abs(simple[span]["median"].to_numpy(dtype=float) - actual).mean()
            ratios.append(mae_s / max(float(simple_s), 1.0))
    metrics[_RATIO] = float(np.exp(np.mean(np.log(np.maximum(ratios, 1e-6))))) if ratios else None
    return metrics


def _named(span: Span, predicted: pd.DataFrame) -> pd.DataFrame:
    names = {span.value: "median"} | {
        f"{span.value}_{end}{coverage}": f"{end}{coverage}"
        for coverage in _TAILS
        for end in ("low", "high")
    }
    return predicted.rename(columns=names)
