"""Say which activities may follow in a running workflow, and how likely each of them is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.columns import WORKFLOW_ID, require_columns
from pipelines.learning.encode import Encoder
from pipelines.learning.next_activity.last_prefix import last_prefix, last_prefixes
from pipelines.learning.next_activity.ngram import NGram
from pipelines.learning.next_activity.prefixes import LAST_ACTIVITIES
from pipelines.learning.next_activity.vocabulary import Vocabulary
from pipelines.learning.single_row import Answer, SingleRow

Values = npt.NDArray[np.float64]

_SPEC: Final = "spec.json"
_TREES: Final = "trees.txt"


@dataclass(frozen=True)
class NextActivityModel:
    """Boosted trees and an n-gram of the last five activities, mixed.

    `facts` is plain data about the training.
    """

    vocabulary: Vocabulary
    encoder: Encoder
    trees: lgb.Booster = field(repr=False)
    ngram: NGram = field(repr=False)
    ngram_weight: float  # 0 to 1; the trees have the rest
    columns: tuple[str, ...]  # of the events learned from
    facts: Mapping[str, Any]

    @property
    def input_columns(self) -> list[str]:
        """Columns that an event must have."""
        return list(self.columns)

    def probabilities(self, features: pd.DataFrame) -> Values:
        """Return (rows, classes of the vocabulary) for rows of `prefix_features`."""
        matrix = self.encoder.matrix(features)
        of_trees = np.asarray(self.trees.predict(matrix, num_threads=1))
        of_ngram = self.ngram.probabilities(self.vocabulary.contexts(features))
        return mixed(of_trees, of_ngram, self.ngram_weight)

    def predict(self, frame: pd.DataFrame, count: int = 3) -> pd.DataFrame:
        """Return the likeliest activities to follow the last event of each workflow.

        Args:
            frame: all events so far of the running workflows, as for `prefix_features`.
            count: how many for each workflow.

        Returns:
            workflow_id, rank (1, 2, …), activity (`END` where the workflow may end) and
            probability, workflows in the order of their rows.

        Raises:
            TrainingError: a column of `input_columns` is missing.
        """
        require_columns(frame, self.columns, "events")
        last = last_prefixes(frame)
        probabilities = self.probabilities(last)
        return pd.DataFrame(
            {WORKFLOW_ID: workflow_id, **one}
            for workflow_id, shares in zip(last[WORKFLOW_ID], probabilities, strict=True)
            for one in self._likeliest(shares, count)
        )

    def predict_workflows(
        self, workflows: Sequence[Sequence[Mapping[str, Any]]], count: int = 3
    ) -> list[list[dict[str, Any]]]:
        """Answer about a few workflows, one or more, as `predict` does but without pandas.

        Args:
            workflows: all events of each so far, as for `prefix_features`: column -> value.
            count: how many activities for each.

        Returns:
            For each workflow rank, activity and probability of each, the likeliest first.

        Raises:
            TrainingError: a column the trees were trained on is missing.
        """
        last = [last_prefix(events) for events in workflows]
        rows = self.encoder.matrix_of_rows(last)
        of_trees = np.array([self._single_row.predict(row) for row in rows])
        contexts = [[one[name] for name in LAST_ACTIVITIES] for one in last]
        # The n-gram takes hardly longer for some than for one.
        of_ngram = self.ngram.probabilities(self.vocabulary.contexts_of(contexts))
        shares = mixed(of_trees, of_ngram, self.ngram_weight)
        return [self._likeliest(of, count) for of in shares]

    def _likeliest(self, shares: Values, count: int) -> list[dict[str, Any]]:
        best = np.argsort(-shares, kind="stable")[:count].tolist()
        return [
            {
                "rank": rank,
                "activity": self.vocabulary.classes[place],
                "probability": float(shares[place]),
            }
            for rank, place in enumerate(best, start=1)
        ]

    @cached_property
    def _single_row(self) -> SingleRow:
        return SingleRow(self.trees, Answer.PREDICTION)

    def save(self, folder: Path) -> None:
        """Write the model into a folder as LightGBM's text, JSON and arrays."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _TREES).write_text(self.trees.model_to_string(), encoding="utf-8")
        spec = {
            "activities": self.vocabulary.activities,
            "encoder": self.encoder.to_spec(),
            "ngram": self.ngram.save(folder),
            "ngram_weight": self.ngram_weight,
            "columns": self.columns,
            "facts": dict(self.facts),
        }
        (folder / _SPEC).write_text(json.dumps(spec, indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            TrainingError: a file is missing or broken.
        """
        try:
            spec = json.loads((folder / _SPEC).read_text(encoding="utf-8"))
            return cls(
                Vocabulary(tuple(spec["activities"])),
                Encoder.from_spec(spec["encoder"]),
                lgb.Booster(model_str=(folder / _TREES).read_text(encoding="utf-8")),
                NGram.load(folder, spec["ngram"]),
                float(spec["ngram_weight"]),
                tuple(spec["columns"]),
                spec["facts"],
            )
        except (OSError, KeyError, ValueError, lgb.basic.LightGBMError) as err:
            raise TrainingError(f"Cannot read a next-activity model from {folder}: {err}") from err


def mixed(of_trees: Values, of_ngram: Values, ngram_weight: float) -> Values:
    """Return the weighted mean of both answers."""
    return (1 - ngram_weight) * of_trees + ngram_weight * of_ngram
