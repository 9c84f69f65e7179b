"""Measure models of running workflows on labelled rows."""

import pandas as pd

from pipelines.contracts import Model
from pipelines.learning.baselines import baseline_predictions
from pipelines.learning.columns import find_column
from pipelines.learning.metrics import Metrics, by_segment, measure, progress_bin
from pipelines.learning.predictor import Predictor
from pipelines.learning.split import Part
from pipelines.learning.training_set import judged_rows, rows_of


def evaluate(predictor: Predictor, frame: pd.DataFrame) -> Metrics:
    """Measure a model on the test rows of a training set.

    Raises:
        TrainingError: a column the model reads is missing, or there are no such rows.
    """
    rows = judged_rows(frame)
    return measure(predictor.model, rows, predictor.predict(rows))


def evaluate_baselines(model: Model, frame: pd.DataFrame) -> dict[str, Metrics]:
    """Measure the baselines of a training set's training rows on its test rows.

    Raises:
        TrainingError: a side has no row.
    """
    train, test = rows_of(frame, Part.TRAIN), judged_rows(frame)
    predictions = baseline_predictions(model, train, test)
    return {name: measure(model, test, answer) for name, answer in predictions.items()}


def segment_metrics(
    model: Model, rows: pd.DataFrame, predicted: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Measure by template (where there are several) and by tenth of the lead time passed."""
    segments = {"progress": progress_bin(rows)}
    template = find_column(rows, "template_id")
    if template is not None and len(rows[template].unique()) > 1:
        segments["template"] = rows[template]
    return {name: by_segment(model, rows, predicted, segment) for name, segment in segments.items()}
