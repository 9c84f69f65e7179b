"""Remaining time of a workflow: its median, and the 10 % and 90 % quantiles around it."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.learning.blend import Blend, Member
from pipelines.learning.boosting import TreeParams, boost, stop_early
from pipelines.learning.column_sets import column_sets
from pipelines.learning.columns import base_name
from pipelines.learning.encode import Encoder, Kind
from pipelines.learning.encode_values import Matrix
from pipelines.learning.examples import Examples
from pipelines.learning.fitted import Fitted
from pipelines.learning.intervals import Groups, Margins, calibrate
from pipelines.learning.metrics import HOUR_S, Metrics, duration_metrics
from pipelines.learning.problem import Problem
from pipelines.learning.search import search, train_choice
from pipelines.learning.space import Learner, Space

Values = npt.NDArray[np.float64]

MEDIAN_SCORE: Final = "p50"
COVERAGE: Final = 0.8  # of the interval from p10 to p90
_MOST_BOOSTERS: Final = 5
_BOOSTED_ROWS: Final = 60_000
_GROUPINGS: Final = ("template_id", "last_activity")  # the first one that varies
_QUANTILES: Final = {"p10": 0.1, "p90": 0.9}
_COLUMNS: Final = {
    MEDIAN_SCORE: "remaining_time_s",
    "p10": "remaining_time_s_p10",
    "p90": "remaining_time_s_p90",
}


def mean_absolute_error_hours(raw: Values, target: Values, weight: Values) -> float:
    """Return the weighted mean absolute error in hours of log hours."""
    return float(np.average(np.abs(np.expm1(raw) - np.expm1(target)), weights=weight))


PROBLEM: Final = Problem(
    objective={"objective": "regression_l1", "metric": "l1"},
    loss=mean_absolute_error_hours,
    loss_name="mae_hours",
    # Of the newest workflows only the short ones have ended: to weigh them more is to answer too
    # short, which the validation rows, cut as they are, may take for knowledge.
    space=Space(learners=(Learner.PAIR,), recency_gain=0.02, most_trials=1, shrinks=True),
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
    margins that make the interval cover come from the validation rows (see `intervals`), for
    each template, or, where there is one only, for each last activity; `validation_raw` of the
    result includes them.
    """
    base = base or _defaults(len(examples.target))
    searching = examples.searching
    choice = search(searching, problem, trial_count, seed, base)
    scores = {MEDIAN_SCORE: train_choice(choice, examples, problem, seed)}
    validation_raw = {MEDIAN_SCORE: choice.validation_raw}
    like = choice.members[0]
    columns = column_sets(examples.encoder)[like.column_set]
    for name, alpha in _QUANTILES.items():
        objective = {"objective": "quantile", "alpha": alpha, "metric": "quantile"}
        stopped = stop_early(searching, columns, objective, like.params, seed)
        validation_raw[name] = stopped.validation_raw
        booster = boost(examples, columns, objective, like.params, seed, stopped.rounds)
        scores[name] = Blend((Member(booster, columns),))
    column = _group_column(examples.encoder)
    groups = groups_of(examples.encoder, examples.matrix[examples.validation], column)
    ends = validation_raw["p10"], validation_raw["p90"]
    actual = examples.target[examples.validation]
    weight = searching.weight[examples.validation]
    workflow = None if examples.workflow is None else examples.workflow[examples.validation]
    margins = calibrate(*ends, actual, groups, COVERAGE, weight=weight, workflow=workflow)
    validation_raw |= dict(zip(("p10", "p90"), margins.widen(*ends, groups), strict=True))
    constants = {"group_column": column, "margins": margins.to_spec()}
    return Fitted(scores, constants, choice, validation_raw)


def groups_of(encoder: Encoder, matrix: Matrix, column: str | None) -> Groups:
    """Return the group of each row whose margins hold for it; one for all where `column` is None.

    Args:
        encoder: the one the rows were encoded with.
        matrix: encoded rows.
        column: `group_column` of what `fit` returned.
    """
    if column is None:
        return np.full(len(matrix), "", dtype=object)
    return encoder.levels_of(column, matrix)


def answers(
    raw: Mapping[str, Values], constants: Mapping[str, Any], groups: Groups
) -> dict[str, Values]:
    """Turn the scores into seconds: ordered p10 <= median <= p90, never negative."""
    margins = Margins.from_spec(constants["margins"])
    lower, upper = margins.widen(raw["p10"], raw["p90"], groups)
    return _in_seconds({**raw, "p10": lower, "p90": upper})


def validation_metrics(fitted: Fitted, remaining_time_s: pd.Series) -> Metrics:
    """Measure the validation rows, choice and margins having seen them."""
    predicted = _in_seconds(fitted.validation_raw)
    return duration_metrics(
        remaining_time_s.to_numpy(dtype=float) / HOUR_S,
        {name: values / HOUR_S for name, values in predicted.items()},
    )


def _group_column(encoder: Encoder) -> str | None:
    """Return the column to calibrate by; a template is a column only where it varies."""
    categories = {base_name(c.name): c.name for c in encoder.columns if c.kind is Kind.CATEGORY}
    return next((categories[name] for name in _GROUPINGS if name in categories), None)


def _defaults(row_count: int) -> TreeParams:
    """Return the hyper-parameters not searched; few rows leave more to chance, and are cheap."""
    boosters = int(np.clip(_BOOSTED_ROWS // row_count, 1, _MOST_BOOSTERS))
    return TreeParams(booster_count=boosters, learning_rate=0.1, patience=20)


def _in_seconds(raw: Mapping[str, Values]) -> dict[str, Values]:
    median = raw[MEDIAN_SCORE]
    ends = [raw["p10"], raw["p90"], median]
    seconds = {
        MEDIAN_SCORE: _to_seconds(median),
        "p10": _to_seconds(np.minimum.reduce(ends)),
        "p90": _to_seconds(np.maximum.reduce(ends)),
    }
    return {column: seconds[name] for name, column in _COLUMNS.items()}


def _to_seconds(log_hours: Values) -> Values:
    return np.maximum(np.expm1(log_hours), 0.0) * HOUR_S
