"""Templates of similar workflows: boosted trees over what is known at the opening.

What is asked for drifts. Recent workflows can weigh more, and the answers can be shifted by how
much more often than in all training workflows a template was taken lately (Saerens, Latinne and
Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities", Neural
Computation, 2002). Both count by closing: of the workflows opened lately only short ones have
ended, while those that closed lately are of every length.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.learning.encode import Encoder
from pipelines.learning.fit_encoder import fit_encoder
from pipelines.learning.single_row import Answer, SingleRow

Values = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

NO_HALF_LIFE: Final = float("inf")

_RECENT_DAYS: Final = 30
_PRIOR_COUNT: Final = 20  # workflows that the recent shares are drawn towards all shares by
_MOST_ROUNDS: Final = 200
_PATIENCE: Final = 10
_FILE: Final = "trees.txt"
_PARAMS: Final = {
    "objective": "multiclass",
    "num_leaves": 15,
    "learning_rate": 0.1,
    "min_data_in_leaf": 20,
    "cat_smooth": 20,
    "cat_l2": 10,
    "lambda_l2": 1.0,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "max_bin": 63,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


@dataclass(frozen=True)
class Asked:
    """Training workflows: what was known at opening, the template taken, and the closing."""

    known: pd.DataFrame = field(repr=False)
    target: Codes  # position of the template
    closed_at: pd.Series
    template_count: int

    def age_days(self) -> Values:
        """Return how long before the last closing each workflow closed."""
        age = self.closed_at.max() - self.closed_at
        return np.asarray(age.dt.total_seconds(), dtype=np.float64) / 86_400

    def recency(self, half_life_ratio: float) -> Values:
        """Return weights of mean one that halve with every `half_life_ratio` of the period."""
        age = self.age_days()
        weights = np.exp2(-age / (half_life_ratio * max(float(age.max()), 1.0)))
        return np.asarray(weights / weights.mean())

    def shift(self, half_life_ratio: float, exponent: float) -> Values:
        """Return by template how much likelier it was lately than as weighted, to a power."""
        weighted = self._shares(self.recency(half_life_ratio), np.zeros(self.template_count))
        recent = self._shares((self.age_days() <= _RECENT_DAYS).astype(float), weighted)
        ratio = np.divide(recent, weighted, out=np.ones_like(recent), where=weighted > 0)
        return np.asarray(ratio**exponent)

    def _shares(self, weights: Values, prior: Values) -> Values:
        counts = np.bincount(self.target, weights, self.template_count) + _PRIOR_COUNT * prior
        return np.asarray(counts / counts.sum())


@dataclass(frozen=True)
class Content:
    """Boosted trees whose probabilities are multiplied by `shift`, one factor a template."""

    encoder: Encoder
    trees: lgb.Booster = field(repr=False)
    shift: Values

    @classmethod
    def fit(
        cls, asked: Asked, rounds: int, half_life_ratio: float, exponent: float, seed: int
    ) -> Self:
        """Boost for so many rounds.

        Raises:
            TrainingError: nothing that is known at the opening varies.
        """
        encoder = fit_encoder(asked.known)
        params = _params(asked, seed)
        trees = lgb.train(params, _dataset(encoder, asked, half_life_ratio, params), rounds)
        return cls(encoder, trees, asked.shift(half_life_ratio, exponent))

    def scores(self, openings: pd.DataFrame) -> Values:
        """Return (workflows, templates) probabilities."""
        return shifted(_predict(self.trees, self.encoder, openings), self.shift)

    def scores_row(self, opening: Mapping[str, Any]) -> Values:
        """Return (1, templates) probabilities of one opening, as `scores` does without pandas."""
        probabilities = self._single_row.predict(self.encoder.row(opening)[0])
        return shifted(probabilities[np.newaxis], self.shift)

    @cached_property
    def _single_row(self) -> SingleRow:
        return SingleRow(self.trees, Answer.PREDICTION)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the trees into a folder; return what `load` needs besides."""
        (folder / _FILE).write_text(self.trees.model_to_string(), encoding="utf-8")
        return {"encoder": self.encoder.to_spec(), "shift": self.shift.tolist()}

    @classmethod
    def load(cls, folder: Path, spec: Mapping[str, Any]) -> Self:
        """Read what `save` wrote.

        Raises:
            OSError, KeyError, lightgbm.basic.LightGBMError: a file or a part is missing or broken.
        """
        text = (folder / _FILE).read_text(encoding="utf-8")
        encoder = Encoder.from_spec(spec["encoder"])
        return cls(encoder, lgb.Booster(model_str=text), np.array(spec["shift"], dtype=float))


def stop_early(asked: Asked, later: Asked, half_life_ratio: float, seed: int) -> tuple[int, Values]:
    """Return how long to boost, as later workflows say, and their unshifted probabilities."""
    encoder = fit_encoder(asked.known)
    params = _params(asked, seed)
    to_fit = _dataset(encoder, asked, half_life_ratio, params)
    trees = lgb.train(
        params,
        to_fit,
        _MOST_ROUNDS,
        valid_sets=[lgb.Dataset(encoder.matrix(later.known), later.target, reference=to_fit)],
        callbacks=[lgb.early_stopping(_PATIENCE, verbose=False)],
    )
    return max(trees.best_iteration, 1), _predict(trees, encoder, later.known)


def shifted(probabilities: Values, shift: Values) -> Values:
    """Multiply each template's probability by its factor; rows sum to one."""
    result = probabilities * shift
    return np.asarray(result / result.sum(axis=1, keepdims=True))


def _predict(trees: lgb.Booster, encoder: Encoder, openings: pd.DataFrame) -> Values:
    return np.asarray(trees.predict(encoder.matrix(openings), num_threads=1))


def _params(asked: Asked, seed: int) -> dict[str, object]:
    return {**_PARAMS, "num_class": asked.template_count, "seed": seed % 2**31}


def _dataset(
    encoder: Encoder, asked: Asked, half_life_ratio: float, params: dict[str, object]
) -> lgb.Dataset:
    return lgb.Dataset(
        encoder.matrix(asked.known),
        asked.target,
        weight=None if half_life_ratio == NO_HALF_LIFE else asked.recency(half_life_ratio),
        feature_name=[f"f{position}" for position in range(len(encoder.columns))],
        categorical_feature=encoder.categorical,
        params=dict(params),
    )
