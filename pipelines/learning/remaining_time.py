"""Remaining time of a workflow: its median, and the 10 % and 90 % quantiles around it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.learning.boosting import Boosted, BoostingParams, Examples, boost
from pipelines.learning.metrics import HOUR_S, Metrics, duration_metrics

Values = npt.NDArray[np.float64]

MEDIAN_BOOSTER: Final = "p50"
_OBJECTIVES: Final[dict[str, dict[str, Any]]] = {
    "p10": {"objective": "quantile", "alpha": 0.1, "metric": "quantile"},
    MEDIAN_BOOSTER: {"objective": "regression_l1", "metric": "l1"},
    "p90": {"objective": "quantile", "alpha": 0.9, "metric": "quantile"},
}
MAIN_OBJECTIVE: Final = _OBJECTIVES[MEDIAN_BOOSTER]
_COLUMNS: Final = {
    "p10": "remaining_time_s_p10",
    MEDIAN_BOOSTER: "remaining_time_s",
    "p90": "remaining_time_s_p90",
}


def to_target(remaining_time_s: pd.Series) -> Values:
    """Return log(1 + hours): an hour more matters less the longer the wait already is."""
    hours: Values = np.maximum(remaining_time_s.to_numpy(dtype=float), 0) / HOUR_S
    return np.log1p(hours)


def fit(
    examples: Examples, params: BoostingParams, seed: int
) -> tuple[dict[str, Boosted], dict[str, Any]]:
    """Train the three boosters; return them and the shifts that make the interval cover.

    The median minimises the absolute error of log hours, the quantiles the pinball loss. The
    quantiles are shifted by the weighted quantile of their own validation residuals, which is
    conformalised quantile regression (Romano, Patterson and Candes, 2019) for each end alone.
    """
    boosted = {
        name: boost(examples, objective, params, seed) for name, objective in _OBJECTIVES.items()
    }
    actual = examples.target[examples.validation]
    weight = examples.weight[examples.validation]
    shifts = {
        name: _weighted_quantile(actual - boosted[name].validation_raw, weight, alpha)
        for name, alpha in (("p10", 0.1), ("p90", 0.9))
    }
    return boosted, {"shifts": shifts}


def answers(raw: Mapping[str, Values], fitted: Mapping[str, Any]) -> dict[str, Values]:
    """Turn the boosters' scores into seconds: ordered p10 <= median <= p90, never negative."""
    shifts = fitted["shifts"]
    ends = [raw["p10"] + shifts["p10"], raw["p90"] + shifts["p90"]]
    seconds = {
        MEDIAN_BOOSTER: _to_seconds(raw[MEDIAN_BOOSTER]),
        "p10": _to_seconds(np.minimum.reduce([*ends, raw[MEDIAN_BOOSTER]])),
        "p90": _to_seconds(np.maximum.reduce([*ends, raw[MEDIAN_BOOSTER]])),
    }
    return {_COLUMNS[name]: seconds[name] for name in (MEDIAN_BOOSTER, "p10", "p90")}


def validation_metrics(
    boosted: Mapping[str, Boosted], fitted: Mapping[str, Any], remaining_time_s: pd.Series
) -> Metrics:
    """Measure the validation rows, the shifts having seen them."""
    predicted = answers({name: b.validation_raw for name, b in boosted.items()}, fitted)
    return duration_metrics(
        remaining_time_s.to_numpy(dtype=float) / HOUR_S,
        {name: values / HOUR_S for name, values in predicted.items()},
    )


def _to_seconds(log_hours: Values) -> Values:
    return np.maximum(np.expm1(log_hours), 0.0) * HOUR_S


def _weighted_quantile(values: Values, weight: Sequence[float] | Values, share: float) -> float:
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(np.asarray(weight)[order])
    position = int(np.searchsorted(cumulative, share * cumulative[-1]))
    return float(values[order][min(position, len(values) - 1)])
