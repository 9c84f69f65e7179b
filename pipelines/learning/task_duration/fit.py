"""Learn task durations: search the learner of the median, calibrate the intervals around it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.blend import Blend, Member
from pipelines.learning.boosting import TreeParams, boost, stop_early
from pipelines.learning.choice import Choice
from pipelines.learning.column_sets import column_sets
from pipelines.learning.columns import AS_OF
from pipelines.learning.examples import Examples, age_ratios
from pipelines.learning.fit_encoder import fit_encoder
from pipelines.learning.intervals import Values, calibrate
from pipelines.learning.metrics import HOUR_S
from pipelines.learning.problem import Problem
from pipelines.learning.search import TRIAL_COUNT, search, train_choice
from pipelines.learning.space import Space
from pipelines.learning.task_duration.model import (
    INTERVALS,
    MEDIAN,
    TaskDurationModel,
    activity_groups,
    to_score,
)
from pipelines.learning.task_duration.spans import Span

Mask = npt.NDArray[np.bool_]

LOSS_NAME: Final = "mae_hours"
_QUANTILES: Final = {"p10": 0.1, "p90": 0.9, "p025": 0.025, "p925": 0.925}
# As of the remaining time: of the newest tasks only the short ones have ended. One is taken, as
# many people are asked about at once.
_SPACE: Final = Space(recency_gain=0.02, most_trials=1)
_FEWEST_ROWS: Final = 100


@dataclass(frozen=True)
class Fitted:
    """A trained model, what was tried, and its forerunner's scores of rows it had not seen."""

    model: TaskDurationModel
    choice: Choice
    validation_scores: Mapping[str, Values]


def fit_task_duration(
    features: pd.DataFrame,
    fit: Mask,
    validation: Mask,
    span: Span,
    *,
    weight: Values | None = None,
    search_weight: Values | None = None,
    trial_count: int = TRIAL_COUNT,
    params: TreeParams | None = None,
    seed: int = 0,
) -> Fitted:
    """Search and train the median, train the intervals' ends, and calibrate the intervals.

    Learner, number of trees and margins come from the validation rows, then every row trains. The
    ends read the median's columns, and have none of its weights by age or sizes of trees: those
    are chosen for the middle, and left intervals worse.

    Args:
        features: of `task_features`, all with a duration that was known by then.
        fit: rows to fit on while trees are counted.
        validation: later rows to count and calibrate on.
        span: which duration it is.
        weight: how many tasks each row stands for, as the long ones had less time to end (see
            `censoring_weights`); one where None.
        search_weight: the same while trees are counted and intervals calibrated, when the rows to
            fit on had less time still.
        trial_count: learners of the median to try.
        params: hyper-parameters that are not searched; the defaults where None.
        seed: of the search, of bagging and feature sampling.

    Raises:
        TrainingError: too few rows on one side, or no feature that varies.
    """
    for side, mask in (("to fit on", fit), ("to validate on", validation)):
        if mask.sum() < _FEWEST_ROWS:
            raise TrainingError(
                f"{int(mask.sum())} tasks {side}, at least {_FEWEST_ROWS} are needed: "
                "take a longer log."
            )
    unit_s = max(float(features.loc[fit, "duration_s"].median()), 1.0)
    encoder = fit_encoder(features.drop(columns=["task_id", "ended_at", "duration_s"]))
    examples = Examples(
        encoder=encoder,
        matrix=encoder.matrix(features),
        target=to_score(features["duration_s"], unit_s),
        weight=np.ones(len(features)) if weight is None else weight,
        age_ratio=age_ratios(features[AS_OF]),
        fit=fit,
        validation=validation,
        search_weight=search_weight,
    )
    searching = examples.searching
    params, problem = params or TreeParams(), _problem(unit_s)
    choice = search(searching, problem, trial_count, seed, params)
    scores = {MEDIAN: choice.validation_raw}
    blends = {MEDIAN: train_choice(choice, examples, problem, seed)}
    columns = column_sets(encoder)[choice.members[0].column_set]
    for name, alpha in _QUANTILES.items():
        objective = {"objective": "quantile", "alpha": alpha, "metric": "quantile"}
        stopped = stop_early(searching, columns, objective, params, seed)
        scores[name] = stopped.validation_raw
        booster = boost(examples, columns, objective, params, seed, stopped.rounds)
        blends[name] = Blend((Member(booster, columns),))
    groups, actual = activity_groups(features[validation]), examples.target[validation]
    stands_for = searching.weight[validation]
    margins = {
        name: calibrate(
            scores[low],
            scores[high],
            actual,
            groups,
            coverage,
            weight=stands_for if np.ptp(stands_for) > 0 else None,
            symmetric=True,
        )
        for name, (low, high, coverage) in INTERVALS.items()
    }
    return Fitted(TaskDurationModel(span, encoder, blends, unit_s, margins), choice, scores)


def _problem(unit_s: float) -> Problem:
    """Return the problem of the median, in scores of this unit."""

    def mean_absolute_error_hours(raw: Values, target: Values, weight: Values) -> float:
        errors = np.abs(np.expm1(raw) - np.expm1(target))
        return float(np.average(errors, weights=weight)) * unit_s / HOUR_S

    return Problem(
        objective={"objective": "regression_l1", "metric": "l1"},
        loss=mean_absolute_error_hours,
        loss_name=LOSS_NAME,
        space=_SPACE,
    )
