"""A LightGBM ranker over pairs of a handover and a candidate; LambdaMART, grouped by handover."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import lightgbm as lgb
import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from pipelines.errors import TrainingError
from pipelines.learning.assignee.coded_log import Mask, Values
from pipelines.learning.assignee.pairs import Matrix, Pairs
from pipelines.learning.assignee.ranking import ranks
from pipelines.learning.columns import require_columns
from pipelines.learning.gain import gain_shares

SPEC_FILE: Final = "spec.json"
_BOOSTER_FILE: Final = "ranker_{number}.txt"
_FEWEST_QUESTIONS: Final = 20
_MOST_ROUNDS: Final = 300
_FEWEST_ROUNDS: Final = 5
_PATIENCE: Final = 25
_LOG_SCALES: Final = (-4.0, 4.0)
# They differ in how much a tree may learn by heart.
SETTINGS: Final[tuple[Mapping[str, Any], ...]] = (
    {"num_leaves": 31, "min_data_in_leaf": 100, "feature_fraction": 0.7},
    {"num_leaves": 7, "min_data_in_leaf": 200, "feature_fraction": 0.7},
    {"num_leaves": 63, "min_data_in_leaf": 400, "feature_fraction": 0.4},
)


@dataclass(frozen=True)
class Ranker:
    """Scores pairs: the mean of a booster of each setting, each times its scale.

    `facts` say what was learned from how many questions; they change no score.
    """

    names: list[str]
    boosters: Sequence[lgb.Booster]
    scales: Sequence[float]
    facts: Mapping[str, Any]

    @property
    def input_columns(self) -> list[str]:
        """Features that a pair must have."""
        return self.names

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Score pairs, one a row: the column `score`, see `scores`.

        Raises:
            TrainingError: a column of `input_columns` is missing.
        """
        require_columns(frame, self.names, "pairs")
        matrix = frame[self.names].to_numpy(dtype=np.float32)
        return pd.DataFrame({"score": self.scores(matrix)}, index=frame.index)

    def scores_of(self, pairs: Pairs) -> Values:
        """Return the score of each pair; features that training did not know are passed over.

        Raises:
            TrainingError: a feature of `input_columns` is missing.
        """
        if pairs.names == self.names:
            return self.scores(pairs.matrix)
        missing = [name for name in self.names if name not in pairs.names]
        if missing:
            raise TrainingError(
                f"The ranker reads features that there are not: {', '.join(missing)}. Train anew."
            )
        return self.scores(pairs.matrix[:, [pairs.names.index(name) for name in self.names]])

    def scores(self, matrix: Matrix) -> Values:
        """Return the score of each row: of one question's rows, the softmax is who it will be."""
        scores = [
            scale * np.asarray(booster.predict(matrix, num_threads=1), dtype=np.float64)
            for booster, scale in zip(self.boosters, self.scales, strict=True)
        ]
        return np.asarray(np.mean(scores, axis=0), dtype=np.float64)

    def contributions(self, matrix: Matrix) -> Values:
        """Return what each feature added to each row's score: SHAP values by TreeSHAP.

        Of the booster with the smallest trees: TreeSHAP's time grows with the square of their
        depth, and an answer has to wait for it.
        """
        booster, scale = self._explainer
        values = booster.predict(matrix, pred_contrib=True, num_threads=1)
        return scale * np.asarray(values, dtype=np.float64)[:, :-1]

    @cached_property
    def _explainer(self) -> tuple[lgb.Booster, float]:
        sizes = [
            np.mean([tree["num_leaves"] for tree in booster.dump_model()["tree_info"]])
            for booster in self.boosters
        ]
        smallest = int(np.argmin(sizes))
        return self.boosters[smallest], self.scales[smallest]

    @property
    def importance(self) -> dict[str, float]:
        """Each feature's share of the gain of the trees, the mean of the boosters."""
        return gain_shares((booster, self.names) for booster in self.boosters)

    def save(self, folder: Path) -> None:
        """Write the boosters as text and spec.json into `folder`, making it."""
        folder.mkdir(parents=True, exist_ok=True)
        for number, booster in enumerate(self.boosters):
            booster.save_model(folder / _BOOSTER_FILE.format(number=number))
        spec = {
            "names": self.names,
            "scales": list(self.scales),
            "facts": dict(self.facts),
        }
        (folder / SPEC_FILE).write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            TrainingError: a file is missing or cannot be read.
        """
        try:
            spec = json.loads((folder / SPEC_FILE).read_text(encoding="utf-8"))
            boosters = [
                lgb.Booster(model_file=folder / _BOOSTER_FILE.format(number=number))
                for number in range(len(spec["scales"]))
            ]
            return cls(spec["names"], boosters, spec["scales"], spec["facts"])
        except (OSError, KeyError, TypeError, ValueError, lgb.basic.LightGBMError) as err:
            raise TrainingError(
                f"The assignee ranker in {folder} cannot be read: {err}. Train anew."
            ) from err


def fit_ranker(
    pairs: Pairs,
    fit: Mask,
    validation: Mask,
    seed: int = 0,
    settings: Sequence[Mapping[str, Any]] = SETTINGS,
) -> Ranker:
    """Learn from all questions, as many rounds of each setting as the validation questions say.

    LambdaMART (Burges, "From RankNet to LambdaRank to LambdaMART", 2010). The settings are
    averaged: the few weeks of validation do not tell reliably which is the best.

    Args:
        pairs: training questions in order of time.
        fit: questions that were answered before the first one of `validation` was asked.
        validation: questions to choose on, the latest.
        seed: of bagging and feature sampling.
        settings: what to try of LightGBM's parameters, and to average.

    Raises:
        TrainingError: too few questions to learn from or to choose on.
    """
    earlier, later = pairs.where(fit), pairs.where(validation)
    for name, part in (("to learn from", earlier), ("to choose on", later)):
        if len(part.size) < _FEWEST_QUESTIONS:
            raise TrainingError(
                f"{len(part.size)} handovers {name}, at least {_FEWEST_QUESTIONS} are needed: "
                "give a longer history."
            )
    tried = [_try(earlier, later, one, seed) for one in settings]
    boosters = [
        lgb.train(_params(of_one, seed), _dataset(pairs), one.rounds)
        for of_one, one in zip(settings, tried, strict=True)
    ]
    mean = np.mean([one.scale * one.scores for one in tried], axis=0)
    facts = {
        "rounds": [one.rounds for one in tried],
        "tried": [
            {"weight": 1 / len(tried), "reached": _mrr(later, one.scores), "rounds": one.rounds}
            | dict(of_one)
            for of_one, one in zip(settings, tried, strict=True)
        ],
        "validation_mrr_of_mean": _mrr(later, mean),
        "fit_question_count": len(earlier.size),
        "validation_question_count": len(later.size),
    }
    return Ranker(pairs.names, boosters, [one.scale for one in tried], facts)


class _Tried(NamedTuple):
    rounds: int
    scores: Values  # of the later questions
    scale: float


def _try(earlier: Pairs, later: Pairs, settings: Mapping[str, Any], seed: int) -> _Tried:
    """Boost on the earlier questions until the later ones get no better ranks."""
    to_fit = _dataset(earlier)
    booster = lgb.train(
        _params(settings, seed),
        to_fit,
        _MOST_ROUNDS,
        valid_sets=[_dataset(later, to_fit)],
        callbacks=[lgb.early_stopping(_PATIENCE, verbose=False)],
    )
    rounds = max(booster.best_iteration, _FEWEST_ROUNDS)
    scores = np.asarray(booster.predict(later.matrix, num_iteration=rounds, num_threads=1))
    return _Tried(rounds, scores, _scale(later, scores))


def _mrr(pairs: Pairs, scores: Values) -> float:
    return float((1 / ranks(pairs, scores)).mean())


def _scale(pairs: Pairs, scores: Values) -> float:
    """Return by what to multiply scores so that their softmax is likeliest (Platt's idea)."""
    question, is_truth = pairs.question, pairs.label == 1
    highest = np.full(len(pairs.size), -np.inf)
    np.maximum.at(highest, question, scores)
    scores = scores - highest[question]

    def loss(log_scale: float) -> float:
        scaled = np.exp(log_scale) * scores
        total = np.bincount(question, np.exp(scaled))
        return float((np.log(total[question]) - scaled)[is_truth].mean())

    return float(np.exp(minimize_scalar(loss, bounds=_LOG_SCALES, method="bounded").x))


def _dataset(pairs: Pairs, reference: lgb.Dataset | None = None) -> lgb.Dataset:
    return lgb.Dataset(
        pairs.matrix,
        pairs.label,
        group=pairs.size,
        feature_name=pairs.names,
        reference=reference,
        params={"max_bin": 63, "verbose": -1},
        free_raw_data=True,
    )


def _params(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    return {
        "objective": "lambdarank",
        "metric": "map",
        "eval_at": [10],
        # Who is beyond the tenth place is not looked at.
        "lambdarank_truncation_level": 10,
        "learning_rate": 0.1,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "max_bin": 63,
        "seed": seed % (2**31),
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbose": -1,
        **settings,
    }
