"""What training gives, whatever the model: something that answers, and what is worth keeping."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from pipelines.contracts import Model
from pipelines.learning.columns import WORKFLOW_ID
from pipelines.learning.metrics import Metrics
from pipelines.learning.training_set import TrainingSet

if TYPE_CHECKING:
    from matplotlib.figure import Figure  # the service loads models and draws nothing


class Recommender(Protocol):
    """A trained model: it answers for rows, and is kept as plain files."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What it was trained on, as plain data; changes no answer."""

    @property
    def input_columns(self) -> list[str]:
        """Columns that a row must have."""

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Answer for rows.

        Raises:
            TrainingError: a column of `input_columns` is missing.
        """

    def save(self, folder: Path) -> None:
        """Write it into `folder`, making it."""


@dataclass(frozen=True)
class TrainedModel:
    """A trained model with everything worth keeping about it."""

    model: Model
    predictor: Recommender
    params: Mapping[str, Any]
    metrics: Metrics  # on the test rows
    validation_metrics: Metrics
    baseline_metrics: Mapping[str, Metrics]  # by baseline, on the test rows
    segments: Mapping[str, pd.DataFrame] = field(repr=False)
    figures: "Mapping[str, Figure]" = field(repr=False)
    card: str = field(repr=False)
    test_predictions: pd.DataFrame = field(repr=False)  # keys of the rows, what happened, answers
    sample_input: pd.DataFrame = field(repr=False)

    @property
    def beats_baseline(self) -> bool:
        """Whether the model beats its baseline on the test rows."""
        return bool(self.predictor.facts["beats_baseline"])


def training_facts(
    training_set: TrainingSet, train_rows: pd.DataFrame, test_rows: pd.DataFrame
) -> dict[str, Any]:
    """Say what a model was trained on, as plain data for its files, card and registry."""
    split = training_set.split
    return {
        "train_start": _day(split.train_start),
        "test_start": _day(split.test_start),
        "test_end": _day(split.test_end),
        "train_workflow_count": int(train_rows[WORKFLOW_ID].nunique()),
        "test_workflow_count": int(test_rows[WORKFLOW_ID].nunique()),
        "train_row_count": len(train_rows),
        "test_row_count": len(test_rows),
        "open_at_split_count": split.open_at_split_count,
        "not_closed_count": split.not_closed_count,
        "censored_row_count": training_set.censored_row_count,
        "late_rule": training_set.late_rule,
    }


def _day(moment: pd.Timestamp) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
