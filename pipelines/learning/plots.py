"""Figures that show where a model is right and where it is not."""

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.contracts import Model
from pipelines.learning.canvas import (
    BLUE,
    GREY,
    GRID,
    INK,
    ORANGE,
    canvas,
    feature_label,
    figure_of,
    legend,
)
from pipelines.learning.metrics import (
    HOUR_S,
    RELIABILITY_BINS,
    Values,
    progress_bin,
    reliability,
    weights_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHOWN_FEATURES: Final = 15
_BINS: Final = 10
_LEAST_OF_BIN: Final = 10
_DAY_HOURS: Final = 24.0
_LONG_HOURS: Final = 72.0


def figures(
    model: Model,
    truth: pd.DataFrame,
    predicted: pd.DataFrame,
    baseline: pd.DataFrame,
    contributions: pd.DataFrame,
) -> "dict[str, Figure]":
    """Draw a model's figures for test rows, by file name without ending.

    Args:
        model: remaining time or delay risk.
        truth: rows with the labels.
        predicted: the model's predictions of them, in the same order.
        baseline: the median baseline's predictions, in the same order.
        contributions: of a sample of rows, one column per feature.
    """
    importance = {"feature_contributions": _contributions(model, contributions)}
    if model is Model.REMAINING_TIME:
        return {
            "error_by_progress": _error_by_progress(truth, predicted, baseline),
            "predicted_against_actual": _predicted_against_actual(truth, predicted),
            "interval_coverage": _coverage(truth, predicted),
        } | importance
    return {
        "calibration": _calibration(truth, predicted),
        "probability_by_outcome": _by_outcome(truth, predicted),
        "risk_by_progress": _risk_by_progress(truth, predicted, baseline),
    } | importance


def _progress_axis(axes: "Axes") -> None:
    axes.set_xticks(range(_BINS), [f"{10 * i}-{10 * i + 10}" for i in range(_BINS)])
    axes.set_xlabel("Share of the workflow's lead time passed, %")


def _mean_by_progress(truth: pd.DataFrame, values: Values) -> pd.Series:
    """Return the mean of each tenth of the lead time; rows count as often as they stand for."""
    weight = weights_of(truth)
    each = np.ones(len(truth)) if weight is None else weight
    bins = progress_bin(truth).to_numpy(dtype=float, na_value=np.nan)
    sums = pd.DataFrame({"value": values * each, "weight": each}).groupby(bins).sum()
    return (sums["value"] / sums["weight"]).reindex(range(_BINS))


def _error_by_progress(
    truth: pd.DataFrame, predicted: pd.DataFrame, baseline: pd.DataFrame
) -> "Figure":
    actual = truth["remaining_time_s"].to_numpy(dtype=float)
    unit, per_unit = _unit(actual)
    axes = canvas(
        "Error by progress",
        f"Mean absolute error of the remaining time on {len(truth):,} later moments",
    )
    for answer, colour, label, shift in (
        (baseline, GREY, "median baseline", -0.2),
        (predicted, BLUE, "model", 0.2),
    ):
        error = np.abs(answer["remaining_time_s"].to_numpy(dtype=float) - actual) / per_unit
        mean = _mean_by_progress(truth, error)
        axes.bar(mean.index + shift, mean, width=0.38, color=colour, label=label)
    axes.set_ylabel(f"Mean absolute error, {unit}")
    _progress_axis(axes)
    legend(axes)
    return figure_of(axes)


def _predicted_against_actual(truth: pd.DataFrame, predicted: pd.DataFrame) -> "Figure":
    actual = truth["remaining_time_s"].to_numpy(dtype=float)
    answer = predicted["remaining_time_s"].to_numpy(dtype=float)
    unit, per_unit = _unit(actual)
    # The log scale has no zero, and the few shortest waits would squeeze all the others.
    least = max(60.0, float(np.quantile(actual, 0.005))) / per_unit
    x, y = np.maximum(actual / per_unit, least), np.maximum(answer / per_unit, least)
    axes = canvas(
        "Predicted against actual remaining time",
        f"{len(truth):,} later moments; on the line the median was right",
        width=6.6,
        height=5.8,
    )
    cells = axes.hexbin(
        x, y, gridsize=45, xscale="log", yscale="log", bins="log", mincnt=1, cmap="Blues"
    )
    limits = [min(x.min(), y.min()), max(x.max(), y.max())]
    axes.plot(limits, limits, color=ORANGE, linewidth=1.4)
    axes.set_xlabel(f"Actual, {unit} (log scale)")
    axes.set_ylabel(f"Predicted, {unit} (log scale)")
    axes.grid(visible=False)
    bar = figure_of(axes).colorbar(cells, ax=axes, shrink=0.7)
    bar.set_label("Moments", color=INK, fontsize=9)
    bar.outline.set_visible(False)
    return figure_of(axes)


def _coverage(truth: pd.DataFrame, predicted: pd.DataFrame) -> "Figure":
    actual = truth["remaining_time_s"].to_numpy(dtype=float)
    low = predicted["remaining_time_s_p10"].to_numpy(dtype=float)
    high = predicted["remaining_time_s_p90"].to_numpy(dtype=float)
    size = predicted["remaining_time_s"].rank(method="first", pct=True)
    bins = np.minimum((size * _BINS).to_numpy(), _BINS - 1).astype(int)
    sides = pd.DataFrame({"inside": (low <= actual) & (actual <= high), "above": actual > high})
    share = sides.groupby(bins).mean().reindex(range(_BINS)) * 100
    overall = float(sides["inside"].mean())
    axes = canvas(
        "Coverage of the 80 % interval",
        f"Share of later moments between p10 and p90: {overall:.0%} overall, 80 % wanted",
    )
    below = 100 - share["inside"] - share["above"]
    axes.bar(share.index, share["inside"], color=BLUE, width=0.8, label="inside the interval")
    axes.bar(
        share.index,
        share["above"],
        bottom=share["inside"],
        color=ORANGE,
        width=0.8,
        label="took longer than p90",
    )
    axes.bar(
        share.index,
        below,
        bottom=share["inside"] + share["above"],
        color=GREY,
        width=0.8,
        label="took less than p10",
    )
    axes.axhline(80, color=INK, linewidth=1.2, linestyle="--")
    axes.set_ylabel("Share of moments, %")
    axes.set_ylim(0, 100)
    axes.set_xticks(range(_BINS), ["shortest", *[""] * (_BINS - 2), "longest"])
    axes.set_xlabel("Tenths of the moments by predicted remaining time")
    axes.legend(frameon=False, fontsize=9, loc="upper center", ncols=3, bbox_to_anchor=(0.5, -0.14))
    return figure_of(axes)


def _calibration(truth: pd.DataFrame, predicted: pd.DataFrame) -> "Figure":
    table = reliability(
        truth["is_late"].to_numpy(dtype=bool),
        predicted["late_probability"].to_numpy(dtype=float),
        weights_of(truth),
    )
    shares = table["weight"] / table["weight"].sum()
    shown = table[table["row_count"] >= _LEAST_OF_BIN]
    axes = canvas(
        "Calibration of the late probability",
        f"{len(truth):,} later moments; on the line, what is predicted is what happens",
        width=6.8,
        height=5.4,
    )
    axes.bar(
        (table.index.to_numpy() + 0.5) / RELIABILITY_BINS,
        shares,
        width=0.09,
        color="#dfe5ec",
        label="share of moments predicted so",
    )
    axes.plot([0, 1], [0, 1], color=ORANGE, linewidth=1.4, label="perfect")
    axes.plot(
        shown["mean_probability"],
        shown["late_ratio"],
        "o-",
        color=BLUE,
        markersize=6,
        label="model",
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("Predicted probability of being late")
    axes.set_ylabel("Share that was late")
    legend(axes, where="upper left")
    return figure_of(axes)


def _by_outcome(truth: pd.DataFrame, predicted: pd.DataFrame) -> "Figure":
    late = truth["is_late"].to_numpy(dtype=bool)
    probability = predicted["late_probability"].to_numpy(dtype=float)
    axes = canvas(
        "Predicted probability by what happened",
        "The further apart the two, the better the model tells them from each other",
    )
    edges = np.linspace(0, 1, 26)
    for mask, colour, label in ((~late, BLUE, "in time"), (late, ORANGE, "late")):
        if mask.any():
            axes.hist(
                probability[mask],
                edges.tolist(),
                weights=np.full(mask.sum(), 100 / mask.sum()),
                color=colour,
                alpha=0.65,
                label=f"{label} ({mask.sum():,} moments)",
            )
    axes.set_xlim(0, 1)
    axes.set_xlabel("Predicted probability of being late")
    axes.set_ylabel("Share of these moments, %")
    legend(axes)
    return figure_of(axes)


def _risk_by_progress(
    truth: pd.DataFrame, predicted: pd.DataFrame, baseline: pd.DataFrame
) -> "Figure":
    late = truth["is_late"].to_numpy(dtype=float)
    axes = canvas(
        "Error of the risk by progress",
        f"Brier score on {len(truth):,} later moments; smaller is better",
    )
    for answer, colour, label, shift in (
        (baseline, GREY, "base rate", -0.2),
        (predicted, BLUE, "model", 0.2),
    ):
        error = np.square(answer["late_probability"].to_numpy(dtype=float) - late)
        mean = _mean_by_progress(truth, error)
        axes.bar(mean.index + shift, mean, width=0.38, color=colour, label=label)
    axes.set_ylabel("Brier score")
    _progress_axis(axes)
    legend(axes)
    return figure_of(axes)


def _contributions(model: Model, contributions: pd.DataFrame) -> "Figure":
    mean = contributions.abs().mean().sort_values().tail(_SHOWN_FEATURES)
    unit = "log(1 + hours)" if model is Model.REMAINING_TIME else "log-odds of being late"
    axes = canvas(
        "What moves the prediction",
        f"Mean absolute contribution over {len(contributions):,} later moments",
        height=0.31 * len(mean) + 1.6,
    )
    labels = [feature_label(str(name)) for name in mean.index]
    positions: npt.NDArray[np.int64] = np.arange(len(mean))
    axes.barh(positions, mean.to_numpy(), color=BLUE, height=0.72)
    axes.set_yticks(positions.tolist(), labels)
    axes.set_xlabel(f"Mean absolute SHAP value, {unit}")
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    return figure_of(axes)


def _unit(seconds: npt.NDArray[np.float64]) -> tuple[str, float]:
    """Days where remaining times are mostly long, else hours."""
    if np.median(seconds) > _LONG_HOURS * HOUR_S:
        return "days", _DAY_HOURS * HOUR_S
    return "hours", HOUR_S
