"""Probability that a workflow ends late, calibrated on workflows later than those learned from."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression

from pipelines.learning.boosting import Boosted, BoostingParams, Examples, boost
from pipelines.learning.metrics import Metrics, risk_metrics

Values = npt.NDArray[np.float64]

RISK_BOOSTER: Final = "late"
MAIN_OBJECTIVE: Final = {"objective": "binary", "metric": "binary_logloss"}
_LEAST_SLOPE: Final = 0.05


def to_target(is_late: pd.Series) -> Values:
    """Return 1 for late, 0 for in time."""
    return is_late.to_numpy(dtype=float)


def fit(
    examples: Examples, params: BoostingParams, seed: int
) -> tuple[dict[str, Boosted], dict[str, Any]]:
    """Train the booster; return it and the slope and intercept that calibrate its log-odds.

    Calibration is Platt's sigmoid (1999) on the validation rows: being linear in the log-odds
    it keeps the ranking, and a prediction's contributions still add up to it.
    """
    boosted = boost(examples, MAIN_OBJECTIVE, params, seed)
    actual = examples.target[examples.validation]
    slope, intercept = 1.0, 0.0
    if 0 < actual.mean() < 1:
        regression = LogisticRegression(C=1e6).fit(
            boosted.validation_raw.reshape(-1, 1),
            actual,
            sample_weight=examples.weight[examples.validation],
        )
        # A falling line would mean that the model is worse than none on later workflows.
        slope = max(float(regression.coef_[0, 0]), _LEAST_SLOPE)
        intercept = float(regression.intercept_[0])
    return {RISK_BOOSTER: boosted}, {"slope": slope, "intercept": intercept}


def answers(raw: Mapping[str, Values], fitted: Mapping[str, Any]) -> dict[str, Values]:
    """Turn the booster's log-odds into calibrated probabilities."""
    log_odds = fitted["slope"] * raw[RISK_BOOSTER] + fitted["intercept"]
    return {"late_probability": 1.0 / (1.0 + np.exp(-log_odds))}


def validation_metrics(
    boosted: Mapping[str, Boosted], fitted: Mapping[str, Any], is_late: pd.Series
) -> Metrics:
    """Measure the validation rows, the calibration having seen them."""
    predicted = answers({name: b.validation_raw for name, b in boosted.items()}, fitted)
    return risk_metrics(is_late.to_numpy(dtype=bool), predicted["late_probability"])
