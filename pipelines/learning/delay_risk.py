"""Probability that a workflow ends late, calibrated on workflows later than those learned from."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from pipelines.learning.blend import Blend, Member
from pipelines.learning.boosting import TreeParams
from pipelines.learning.column_sets import column_sets
from pipelines.learning.examples import Examples
from pipelines.learning.fitted import Fitted
from pipelines.learning.metrics import Metrics, risk_metrics
from pipelines.learning.problem import Problem
from pipelines.learning.risk_forest import grow_risk_forest
from pipelines.learning.search import search, train_choice

Values = npt.NDArray[np.float64]

RISK_SCORE: Final = "late"
LEVEL: Final = "level"
_FOREST_WEIGHT: Final = 0.5
_LEVEL_SHARE: Final = 0.5  # of the way to the share of the latest workflows
_LEAST_SLOPE: Final = 0.05
_LEAST_SHARE: Final = 1e-3
_FAR: Final = 100.0  # log-odds beyond all that a model says


def refinement_loss(raw: Values, target: Values, weight: Values) -> float:
    """Return the mean log loss of log-odds once their level is right: what they tell apart.

    The share of late workflows drifts, and a column that tells the date drifts with it. On the
    validation rows that passes for knowledge, and on the rows to come it is none; the level of the
    answers is better learned from the newest rows. (Refinement: DeGroot and Fienberg, 1983.)
    """
    raw = raw + level(raw, target, weight)
    losses = np.logaddexp(0.0, raw) - target * raw
    return float(np.average(losses, weights=weight))


def level(log_odds: Values, target: Values, weight: Values) -> float:
    """Return what to add to log-odds to say as many late as there are; 0 where that is all or none.

    Saerens, Latinne and Decaestecker (2002) adjust to other shares so, which they estimate.
    """
    if not 0 < target.mean() < 1:
        return 0.0
    excess = brentq(lambda shift: float(weight @ (expit(log_odds + shift) - target)), -_FAR, _FAR)
    return float(excess)


PROBLEM: Final = Problem(
    objective={"objective": "binary", "metric": "binary_logloss"},
    loss=refinement_loss,
    loss_name="refinement_loss",
)


def to_target(is_late: pd.Series) -> Values:
    """Return 1 for late, 0 for in time."""
    return is_late.to_numpy(dtype=float)


def fit(examples: Examples, trial_count: int, seed: int, base: TreeParams | None = None) -> Fitted:
    """Search and train boosters, grow a forest, and find how sure their mean may be.

    Boosters and the forest count half each; the forest reads the best booster's columns. The
    validation rows cannot set these weights: they stopped the boosters, and so flatter them. For
    the same reason calibration may only make the answers less sure, never surer (the slope of
    Platt's sigmoid, 1999, at most one). Its intercept is of models that had not seen these rows.
    Those trained at last have, and yet say as many late among them as the whole period had, where
    no column tells the day; they go half the way to what happened (decision 0031). Being linear
    in the log-odds it all keeps the ranking, and a prediction's contributions still add up to it.
    """
    searching = examples.searching
    choice = search(searching, PROBLEM, trial_count, seed, base)
    # The best by itself: a member may be worth its place by what it adds, and little alone.
    lead = min(choice.members, key=lambda one: (one.validation_loss, one.number))
    columns = column_sets(examples.encoder)[lead.column_set]
    tried = grow_risk_forest(searching, columns, examples.fit, lead.params, seed)
    validation_rows = examples.matrix[examples.validation][:, list(columns)]
    validation_raw = (1 - _FOREST_WEIGHT) * choice.validation_raw + _FOREST_WEIGHT * np.asarray(
        tried.predict(validation_rows, raw_score=True, num_threads=lead.params.threads)
    )
    boosted = train_choice(choice, examples, PROBLEM, seed)
    forest = grow_risk_forest(examples, columns, examples.everything, lead.params, seed)
    members = (
        *(replace(one, weight=(1 - _FOREST_WEIGHT) * one.weight) for one in boosted.members),
        Member(forest, columns, _FOREST_WEIGHT, is_bagged=True),
    )
    slope = _slope(searching, validation_raw)
    share = float(np.average(examples.target, weights=examples.weight))
    share = float(np.clip(share, _LEAST_SHARE, 1 - _LEAST_SHARE))
    blend = Blend(members)
    # Turned around the log-odds of the whole: less sure means closer to it.
    middle = (1 - slope) * float(np.log(share / (1 - share)))
    latest = examples.validation
    shift = _LEVEL_SHARE * level(
        slope * blend.raw(examples.matrix[latest]) + middle,
        examples.target[latest],
        examples.weight[latest],
    )
    return Fitted(
        {RISK_SCORE: blend},
        {"slope": slope, "intercept": middle, LEVEL: shift},
        choice,
        {RISK_SCORE: validation_raw},
    )


def _slope(examples: Examples, validation_raw: Values) -> float:
    """Return by how much the log-odds of the validation rows are to be drawn to the middle."""
    actual = examples.target[examples.validation]
    if not 0 < actual.mean() < 1:
        return 1.0
    regression = LogisticRegression(C=1e6).fit(
        validation_raw.reshape(-1, 1), actual, sample_weight=examples.weight[examples.validation]
    )
    # A falling line would mean that the model is worse than none on later workflows.
    return float(np.clip(regression.coef_[0, 0], _LEAST_SLOPE, 1.0))


def answers(raw: Mapping[str, Values], constants: Mapping[str, Any]) -> dict[str, Values]:
    """Turn the score's log-odds into calibrated probabilities."""
    log_odds = constants["slope"] * raw[RISK_SCORE] + offset(constants)
    return {"late_probability": 1.0 / (1.0 + np.exp(-log_odds))}


def offset(constants: Mapping[str, Any]) -> float:
    """Return what calibration adds to log-odds; older versions have no level."""
    return float(constants["intercept"] + constants.get(LEVEL, 0.0))


def validation_metrics(fitted: Fitted, is_late: pd.Series) -> Metrics:
    """Measure the validation rows, choice and calibration having seen them, and the level not."""
    predicted = answers(fitted.validation_raw, {**fitted.constants, LEVEL: 0.0})
    return risk_metrics(is_late.to_numpy(dtype=bool), predicted["late_probability"])
