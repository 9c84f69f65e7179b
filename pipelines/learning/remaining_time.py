"""Remaining time of a workflow: its median, and the 10 % and 90 % quantiles around it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.learning.blend import Blend, Member
from pipelines.learning.boosting import TreeParams, boost, stop_early
from pipelines.learning.choice import Trial
from pipelines.learning.column_sets import column_sets
from pipelines.learning.examples import Examples
from pipelines.learning.fitted import Fitted
from pipelines.learning.metrics import HOUR_S, Metrics, duration_metrics
from pipelines.learning.problem import Problem
from pipelines.learning.search import search, train_choice
from pipelines.learning.space import Learner, Space

Values = npt.NDArray[np.float64]

MEDIAN_SCORE: Final = "p50"
_QUANTILES: Final = {"p10": 0.1, "p90": 0.9}
_COLUMNS: Final = {
    "p10": "remaining_time_s_p10",
    MEDIAN_SCORE: "remaining_time_s",
    "p90": "remaining_time_s_p90",
}


def mean_absolute_error_hours(raw: Values, target: Values) -> float:
    """Return the mean absolute error in hours of log hours."""
    return float(np.abs(np.expm1(raw) - np.expm1(target)).mean())


PROBLEM: Final = Problem(
    objective={"objective": "regression_l1", "metric": "l1"},
    loss=mean_absolute_error_hours,
    loss_name="mae_hours",
    space=Space(learners=(Learner.BOOSTING, Learner.FOREST)),
)


def to_target(remaining_time_s: pd.Series) -> Values:
    """Return log(1 + hours): an hour more matters less the longer the wait already is."""
    hours: Values = np.maximum(remaining_time_s.to_numpy(dtype=float), 0) / HOUR_S
    return np.log1p(hours)


def fit(
    examples: Examples,
    trial_count: int,
    seed: int,
    base: TreeParams | None = None,
    problem: Problem = PROBLEM,
) -> Fitted:
    """Search the learner of the median, train it, and the boosters of both ends of the interval.

    The median minimises the absolute error of log hours, the quantiles the pinball loss. The
    quantiles are shifted by the weighted quantile of their own validation residuals, which is
    conformalised quantile regression (Romano, Patterson and Candes, 2019) for each end alone.
    """
    choice = search(examples, problem, trial_count, seed, base)
    scores = {MEDIAN_SCORE: train_choice(choice, examples, problem, seed)}
    validation_raw = {MEDIAN_SCORE: choice.validation_raw}
    like = _boosting_trial(choice.members, choice.trials)
    columns = column_sets(examples.encoder)[like.column_set]
    for name, alpha in _QUANTILES.items():
        objective = {"objective": "quantile", "alpha": alpha, "metric": "quantile"}
        stopped = stop_early(examples, columns, objective, like.params, seed)
        validation_raw[name] = stopped.validation_raw
        booster = boost(examples, columns, objective, like.params, seed, stopped.rounds)
        scores[name] = Blend((Member(booster, columns),))
    actual = examples.target[examples.validation]
    weight = examples.weight[examples.validation]
    shifts = {
        name: _weighted_quantile(actual - validation_raw[name], weight, alpha)
        for name, alpha in _QUANTILES.items()
    }
    return Fitted(scores, {"shifts": shifts}, choice, validation_raw)


def answers(raw: Mapping[str, Values], constants: Mapping[str, Any]) -> dict[str, Values]:
    """Turn the scores into seconds: ordered p10 <= median <= p90, never negative."""
    shifts = constants["shifts"]
    ends = [raw["p10"] + shifts["p10"], raw["p90"] + shifts["p90"]]
    seconds = {
        MEDIAN_SCORE: _to_seconds(raw[MEDIAN_SCORE]),
        "p10": _to_seconds(np.minimum.reduce([*ends, raw[MEDIAN_SCORE]])),
        "p90": _to_seconds(np.maximum.reduce([*ends, raw[MEDIAN_SCORE]])),
    }
    return {_COLUMNS[name]: seconds[name] for name in (MEDIAN_SCORE, "p10", "p90")}


def validation_metrics(fitted: Fitted, remaining_time_s: pd.Series) -> Metrics:
    """Measure the validation rows, choice and shifts having seen them."""
    predicted = answers(fitted.validation_raw, fitted.constants)
    return duration_metrics(
        remaining_time_s.to_numpy(dtype=float) / HOUR_S,
        {name: values / HOUR_S for name, values in predicted.items()},
    )


def _boosting_trial(members: Sequence[Trial], trials: Sequence[Trial]) -> Trial:
    """Return the heaviest boosted member, else the best boosted trial, else the defaults."""
    boosted = [one for one in members if one.learner is Learner.BOOSTING]
    others = [one for one in trials if one.learner is Learner.BOOSTING]
    if boosted or others:
        return boosted[0] if boosted else min(others, key=lambda one: one.validation_loss)
    return replace(members[0], learner=Learner.BOOSTING, params=TreeParams())


def _to_seconds(log_hours: Values) -> Values:
    return np.maximum(np.expm1(log_hours), 0.0) * HOUR_S


def _weighted_quantile(values: Values, weight: Sequence[float] | Values, share: float) -> float:
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(np.asarray(weight)[order])
    position = int(np.searchsorted(cumulative, share * cumulative[-1]))
    return float(values[order][min(position, len(values) - 1)])
