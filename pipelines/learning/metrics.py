"""How far predictions are from what happened; plain numbers, None where one is undefined.

Weights say how many rows each stands for; without them all rows count alike.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from pipelines.contracts import Model
from pipelines.learning.columns import WEIGHT

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
        truth: rows with remaining_time_s, or is_late, and maybe censoring_weight.
        predicted: what `Predictor.predict` returned for them, in the same order.
    """
    weight = weights_of(truth)
    if model is Model.REMAINING_TIME:
        return duration_metrics(
            truth["remaining_time_s"].to_numpy(dtype=float) / HOUR_S,
            {name: predicted[name].to_numpy(dtype=float) / HOUR_S for name in predicted.columns},
            weight,
        )
    return risk_metrics(
        truth["is_late"].to_numpy(dtype=bool),
        predicted["late_probability"].to_numpy(dtype=float),
        weight,
    )


def weights_of(rows: pd.DataFrame) -> Values | None:
    """Return how many rows each stands for (see `censoring_weights`), if the frame says so."""
    return rows[WEIGHT].to_numpy(dtype=float) if WEIGHT in rows.columns else None


def duration_metrics(
    actual: Values, predicted: Mapping[str, Values], weight: Values | None = None
) -> Metrics:
    """Measure durations in hours: errors of the median, and of the interval where given."""
    error = predicted["remaining_time_s"] - actual
    metrics: Metrics = {
        "mae_hours": _mean(np.abs(error), weight),
        "median_absolute_error_hours": _median(np.abs(error), weight),
        "bias_hours": _mean(error, weight),
        "pinball_p50_hours": pinball(actual, predicted["remaining_time_s"], 0.5, weight),
    }
    low, high = predicted.get("remaining_time_s_p10"), predicted.get("remaining_time_s_p90")
    if low is not None and high is not None:
        metrics |= {
            "pinball_p10_hours": pinball(actual, low, 0.1, weight),
            "pinball_p90_hours": pinball(actual, high, 0.9, weight),
            "coverage_p10_p90_ratio": _mean((low <= actual) & (actual <= high), weight),
            "width_p10_p90_hours": _mean(high - low, weight),
        }
    return metrics


def pinball(
    actual: Values, predicted: Values, quantile: float, weight: Values | None = None
) -> float:
    """Return the mean quantile loss (Koenker and Bassett, 1978) in the values' unit."""
    error = actual - predicted
    return _mean(np.maximum(quantile * error, (quantile - 1) * error), weight)


def risk_metrics(
    actual: npt.NDArray[np.bool_], probability: Values, weight: Values | None = None
) -> Metrics:
    """Measure probabilities; AUC and average precision are None where one class only occurs."""
    clipped = np.clip(probability, _CLIP, 1 - _CLIP)
    has_both = bool(actual.any() and not actual.all())
    return {
        "auc": float(roc_auc_score(actual, probability, sample_weight=weight))
        if has_both
        else None,
        "average_precision": (
            float(average_precision_score(actual, probability, sample_weight=weight))
            if has_both
            else None
        ),
        "brier": _mean(np.square(probability - actual), weight),
        "log_loss": float(log_loss(actual, clipped, labels=[False, True], sample_weight=weight)),
        "calibration_error": calibration_error(actual, probability, weight),
        "mean_probability": _mean(probability, weight),
        "late_ratio": _mean(actual, weight),
    }


def reliability(
    actual: npt.NDArray[np.bool_], probability: Values, weight: Values | None = None
) -> pd.DataFrame:
    """Return one row per tenth of the probabilities that occurs, the index its number (0 to 9).

    Columns: row_count, weight (their sum), mean_probability (predicted) and late_ratio (happened).
    """
    bins = np.minimum((probability * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    each = np.ones(len(actual)) if weight is None else weight
    sums = {"weight": each, "mean_probability": each * probability, "late_ratio": each * actual}
    rows = pd.DataFrame(sums).groupby(bins)
    table = rows.sum()
    means = table[["mean_probability", "late_ratio"]].div(table["weight"], axis=0)
    return table.assign(row_count=rows.size(), **means)


def calibration_error(
    actual: npt.NDArray[np.bool_], probability: Values, weight: Values | None = None
) -> float:
    """Return the expected calibration error (Naeini and others, AAAI 2015), 0 to 1.

    The mean distance between what was predicted and what happened in each tenth of the
    probabilities, weighted by its rows.
    """
    table = reliability(actual, probability, weight)
    distance = (table["mean_probability"] - table["late_ratio"]).abs()
    return float(np.average(distance, weights=table["weight"]))


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


def _mean(values: npt.NDArray[Any], weight: Values | None) -> float:
    return float(np.average(values, weights=weight))


def _median(values: Values, weight: Values | None) -> float:
    if weight is None:
        return float(np.median(values))
    return float(np.quantile(values, 0.5, weights=weight, method="inverted_cdf"))
