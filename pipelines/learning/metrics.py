"""How far predictions are from what happened; plain numbers, None where one is undefined."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from pipelines.contracts import Model

Metrics = dict[str, float | None]
Values = npt.NDArray[np.float64]

HOUR_S: Final = 3600.0
LEAST_OF_SEGMENT: Final = 30
PROGRESS_BINS: Final = 10
RELIABILITY_BINS: Final = 10
_CLIP: Final = 1e-6


def measure(model: Model, truth: pd.DataFrame, predicted: pd.DataFrame) -> Metrics:
    """Measure a model's predictions against the labels of the same rows.

    Args:
        model: which labels and which measures.
        truth: rows with remaining_time_s, or is_late.
        predicted: what `Predictor.predict` returned for them, in the same order.
    """
    if model is Model.REMAINING_TIME:
        return duration_metrics(
            truth["remaining_time_s"].to_numpy(dtype=float) / HOUR_S,
            {name: predicted[name].to_numpy(dtype=float) / HOUR_S for name in predicted.columns},
        )
    return risk_metrics(
        truth["is_late"].to_numpy(dtype=bool),
        predicted["late_probability"].to_numpy(dtype=float),
    )


def duration_metrics(actual: Values, predicted: Mapping[str, Values]) -> Metrics:
    """Measure durations in hours: errors of the median, and of the interval where given."""
    error = predicted["remaining_time_s"] - actual
    metrics: Metrics = {
        "mae_hours": float(np.abs(error).mean()),
        "median_absolute_error_hours": float(np.median(np.abs(error))),
        "bias_hours": float(error.mean()),
        "pinball_p50_hours": pinball(actual, predicted["remaining_time_s"], 0.5),
    }
    low, high = predicted.get("remaining_time_s_p10"), predicted.get("remaining_time_s_p90")
    if low is not None and high is not None:
        metrics |= {
            "pinball_p10_hours": pinball(actual, low, 0.1),
            "pinball_p90_hours": pinball(actual, high, 0.9),
            "coverage_p10_p90_ratio": float(((low <= actual) & (actual <= high)).mean()),
            "width_p10_p90_hours": float((high - low).mean()),
        }
    return metrics


def pinball(actual: Values, predicted: Values, quantile: float) -> float:
    """Return the mean quantile loss (Koenker and Bassett, 1978) in the values' unit."""
    error = actual - predicted
    return float(np.maximum(quantile * error, (quantile - 1) * error).mean())


def risk_metrics(actual: npt.NDArray[np.bool_], probability: Values) -> Metrics:
    """Measure probabilities; AUC and average precision are None where one class only occurs."""
    clipped = np.clip(probability, _CLIP, 1 - _CLIP)
    has_both = bool(actual.any() and not actual.all())
    return {
        "auc": float(roc_auc_score(actual, probability)) if has_both else None,
        "average_precision": (
            float(average_precision_score(actual, probability)) if has_both else None
        ),
        "brier": float(np.square(probability - actual).mean()),
        "log_loss": float(log_loss(actual, clipped, labels=[False, True])),
        "calibration_error": calibration_error(actual, probability),
        "mean_probability": float(probability.mean()),
        "late_ratio": float(actual.mean()),
    }


def reliability(actual: npt.NDArray[np.bool_], probability: Values) -> pd.DataFrame:
    """Return one row per tenth of the probabilities that occurs, the index its number (0 to 9).

    Columns: row_count, mean_probability (predicted) and late_ratio (happened).
    """
    bins = np.minimum((probability * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    rows = pd.DataFrame({"late": actual.astype(float), "probability": probability}).groupby(bins)
    return rows.agg(
        row_count=("late", "size"),
        mean_probability=("probability", "mean"),
        late_ratio=("late", "mean"),
    )


def calibration_error(actual: npt.NDArray[np.bool_], probability: Values) -> float:
    """Return the expected calibration error (Naeini and others, AAAI 2015), 0 to 1.

    The mean distance between what was predicted and what happened in each tenth of the
    probabilities, weighted by its rows.
    """
    table = reliability(actual, probability)
    distance = (table["mean_probability"] - table["late_ratio"]).abs()
    return float(np.average(distance, weights=table["row_count"]))


def by_segment(
    model: Model, truth: pd.DataFrame, predicted: pd.DataFrame, segment: pd.Series
) -> pd.DataFrame:
    """Measure each segment of at least 30 rows; one row per segment, with `row_count`.

    Args:
        model: which labels and which measures.
        truth: rows with the labels.
        predicted: predictions in the same order.
        segment: the segment of each row, in the same order.
    """
    names = segment.reset_index(drop=True)
    truth, predicted = truth.reset_index(drop=True), predicted.reset_index(drop=True)
    rows = []
    for name, index in names.groupby(names, observed=True).groups.items():
        if len(index) >= LEAST_OF_SEGMENT:
            metrics = measure(model, truth.loc[index], predicted.loc[index])
            rows.append({"segment": str(name), "row_count": len(index), **metrics})
    return pd.DataFrame(rows)


def progress_bin(truth: pd.DataFrame) -> pd.Series:
    """Return how far each moment lies through its workflow's lead time, in tenths (0 to 9).

    Known only afterwards: for looking at errors, never a feature.
    """
    passed = 1 - truth["remaining_time_s"] / truth["lead_time_s"].where(truth["lead_time_s"] > 0)
    bins: pd.Series = np.floor(passed * PROGRESS_BINS).clip(0, PROGRESS_BINS - 1).astype("Int64")
    return bins
