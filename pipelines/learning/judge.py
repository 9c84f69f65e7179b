"""Measure two models and the baselines on the same later rows, and decide between them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from pipelines.contracts import Model
from pipelines.errors import TrainingError
from pipelines.learning.gate import Decision, decide
from pipelines.learning.methods import METHODS
from pipelines.learning.metrics import Metrics
from pipelines.learning.trained import Recommender


@dataclass(frozen=True)
class Judgement:
    """What both models and the baselines reached on the same rows, and the decision."""

    decision: Decision
    challenger: Metrics
    champion: Metrics | None
    baselines: Mapping[str, Metrics]


def judge(
    model: Model,
    challenger: Recommender,
    champion: Recommender | None,
    frame: pd.DataFrame,
    tolerance: float = 0.0,
) -> Judgement:
    """Measure both models on the test rows of the challenger's training set and decide.

    A champion that cannot read these rows, because features were renamed since, does not
    stand in the way of a challenger that beats the baseline.

    Args:
        model: which one both are.
        challenger: the newer one.
        champion: the one that answers now, if any.
        frame: the challenger's `TrainingSet.frame`.
        tolerance: see `decide`.

    Raises:
        TrainingError: the challenger lacks a column, or a side has no row.
    """
    method = METHODS[model]
    baselines = method.baselines(frame)
    own = method.evaluate(challenger, frame)
    theirs, fault = None, None
    if champion is not None:
        try:
            theirs = method.evaluate(champion, frame)
        except TrainingError as err:
            fault = str(err)
    decision = decide(model, own, theirs, baselines, tolerance)
    if fault is not None:
        decision = replace(decision, reason=f"{decision.reason} that can read the data: {fault}")
    return Judgement(decision, own, theirs, baselines)
