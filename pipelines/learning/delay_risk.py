"""Probability that a workflow ends late, calibrated on workflows later than those learned from."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression

from pipelines.learning.boosting import TreeParams
from pipelines.learning.examples import Examples
from pipelines.learning.fitted import Fitted
from pipelines.learning.metrics import Metrics, risk_metrics
from pipelines.learning.problem import Problem
from pipelines.learning.search import search, train_choice

Values = npt.NDArray[np.float64]

RISK_SCORE: Final = "late"
_LEAST_SLOPE: Final = 0.05


def log_loss(raw: Values, target: Values) -> float:
    """Return the mean log loss of log-odds."""
    return float(np.mean(np.logaddexp(0.0, raw) - target * raw))


PROBLEM: Final = Problem(
    objective={"objective": "binary", "metric": "binary_logloss"},
    loss=log_loss,
    loss_name="log_loss",
)


def to_target(is_late: pd.Series) -> Values:
    """Return 1 for late, 0 for in time."""
    return is_late.to_numpy(dtype=float)


def fit(examples: Examples, trial_count: int, seed: int, base: TreeParams | None = None) -> Fitted:
    """Search and train the learner; find the slope and intercept that calibrate its log-odds.

    Calibration is Platt's sigmoid (1999) on the validation rows: being linear in the log-odds
    it keeps the ranking, and a prediction's contributions still add up to it.
    """
    choice = search(examples, PROBLEM, trial_count, seed, base)
    actual = examples.target[examples.validation]
    slope, intercept = 1.0, 0.0
    if 0 < actual.mean() < 1:
        regression = LogisticRegression(C=1e6).fit(
            choice.validation_raw.reshape(-1, 1),
            actual,
            sample_weight=examples.weight[examples.validation],
        )
        # A falling line would mean that the model is worse than none on later workflows.
        slope = max(float(regression.coef_[0, 0]), _LEAST_SLOPE)
        intercept = float(regression.intercept_[0])
    return Fitted(
        {RISK_SCORE: train_choice(choice, examples, PROBLEM, seed)},
        {"slope": slope, "intercept": intercept},
        choice,
        {RISK_SCORE: choice.validation_raw},
    )


def answers(raw: Mapping[str, Values], constants: Mapping[str, Any]) -> dict[str, Values]:
    """Turn the score's log-odds into calibrated probabilities."""
    log_odds = constants["slope"] * raw[RISK_SCORE] + constants["intercept"]
    return {"late_probability": 1.0 / (1.0 + np.exp(-log_odds))}


def validation_metrics(fitted: Fitted, is_late: pd.Series) -> Metrics:
    """Measure the validation rows, choice and calibration having seen them."""
    predicted = answers(fitted.validation_raw, fitted.constants)
    return risk_metrics(is_late.to_numpy(dtype=bool), predicted["late_probability"])
