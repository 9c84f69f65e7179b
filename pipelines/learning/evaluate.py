"""Measure models on the same later rows, and decide between two."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from pipelines.contracts import Model
from pipelines.errors import TrainingError
from pipelines.learning.baselines import baseline_predictions
from pipelines.learning.columns import find_column
from pipelines.learning.gate import Decision, decide
from pipelines.learning.metrics import Metrics, by_segment, measure, progress_bin
from pipelines.learning.predictor import Predictor
from pipelines.learning.split import Part
from pipelines.learning.training_set import rows_of


@dataclass(frozen=True)
class Judgement:
    """What both models and the baselines reached on the same rows, and the decision."""

    decision: Decision
    challenger: Metrics
    champion: Metrics | None
    baselines: Mapping[str, Metrics]
    row_count: int


def evaluate(predictor: Predictor, rows: pd.DataFrame) -> Metrics:
    """Measure a model on labelled rows.

    Raises:
        TrainingError: a column the model reads is missing.
    """
    return measure(predictor.model, rows, predictor.predict(rows))


def evaluate_baselines(model: Model, train: pd.DataFrame, test: pd.DataFrame) -> dict[str, Metrics]:
    """Measure the baselines of the training rows on the test rows."""
    predictions = baseline_predictions(model, train, test)
    return {name: measure(model, test, answer) for name, answer in predictions.items()}


def judge(
    challenger: Predictor,
    champion: Predictor | None,
    frame: pd.DataFrame,
    tolerance: float = 0.0,
) -> Judgement:
    """Measure both models on the test rows of the challenger's training set and decide.

    A champion that cannot read these rows, because features were renamed since, does not
    stand in the way of a challenger that beats the baseline.

    Args:
        challenger: the newer model.
        champion: the model that answers now, if any.
        frame: the challenger's `TrainingSet.frame`.
        tolerance: see `decide`.

    Raises:
        TrainingError: the challenger lacks a column, or a side has no row.
    """
    train, test = rows_of(frame, Part.TRAIN), rows_of(frame, Part.TEST)
    baselines = evaluate_baselines(challenger.model, train, test)
    own = evaluate(challenger, test)
    theirs, fault = None, None
    if champion is not None:
        try:
            theirs = evaluate(champion, test)
        except TrainingError as err:
            fault = str(err)
    decision = decide(challenger.model, own, theirs, baselines, tolerance)
    if fault is not None:
        decision = replace(decision, reason=f"{decision.reason} that can read the data: {fault}")
    return Judgement(decision, own, theirs, baselines, len(test))


def segment_metrics(
    model: Model, rows: pd.DataFrame, predicted: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Measure by template (where there are several) and by tenth of the lead time passed."""
    segments = {"progress": progress_bin(rows)}
    template = find_column(rows, "template_id")
    if template is not None and len(rows[template].unique()) > 1:
        segments["template"] = rows[template]
    return {name: by_segment(model, rows, predicted, segment) for name, segment in segments.items()}
