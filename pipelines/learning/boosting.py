"""Gradient-boosted trees (LightGBM), stopped early on the validation rows.

Several boosters that differ in their seed alone may answer with their mean: what each makes of
chance, the others do not share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import lightgbm as lgb
import numpy as np

from pipelines.learning.average import averaged
from pipelines.learning.examples import Examples, Mask, Values

_SEEDS_APART: Final = 1_000  # a search takes the seeds after its own for its trials
_FEWEST_ROUNDS: Final = 10
NO_HALF_LIFE: Final = float("inf")


@dataclass(frozen=True)
class TreeParams:
    """Hyper-parameters of both learners, boosted trees and forests.

    `half_life_ratio` (of the period, see `Examples.tree_weight`) and `threads` are both's,
    `forest_rows_in_leaf` is a forest's, and the others are those of boosted trees.
    """

    num_leaves: int = 31
    min_rows_in_leaf: int = 40
    feature_ratio: float = 0.8  # of the columns that a tree may look at
    forest_rows_in_leaf: int = 5
    half_life_ratio: float = NO_HALF_LIFE
    learning_rate: float = 0.06
    row_ratio: float = 0.8
    l2: float = 1.0
    max_rounds: int = 500
    patience: int = 30
    booster_count: int = 1  # boosted with seeds of their own; their mean answers
    # Threads of LightGBM wait by spinning: on a machine that is busy with other work a second
    # one makes training slower, not faster.
    threads: int = 1

    def common(self, seed: int) -> dict[str, Any]:
        """Return what both learners tell LightGBM; the same seed gives the same trees."""
        return {
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_rows_in_leaf,
            "bagging_freq": 1,
            "max_bin": 127,
            # Categories with few rows are pulled towards the mean, or they are learned by heart.
            "cat_smooth": 20,
            "cat_l2": 10,
            "min_data_per_group": 50,
            "seed": seed % (2**31),
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": self.threads,
            "verbose": -1,
        }


@dataclass(frozen=True)
class Stopped:
    """How long to boost, as the validation rows say, and what was boosted says of them."""

    rounds: int
    validation_raw: Values


def stop_early(
    examples: Examples,
    columns: Sequence[int],
    objective: Mapping[str, Any],
    params: TreeParams,
    seed: int,
) -> Stopped:
    """Boost on the rows to fit on until the validation loss rises.

    Args:
        examples: encoded training rows.
        columns: positions of the columns to read.
        objective: LightGBM's objective and metric.
        params: hyper-parameters.
        seed: of bagging and feature sampling.
    """
    settings = _settings(objective, params, seed)
    to_fit = dataset(examples, columns, examples.fit, params, settings)
    validation = dataset(examples, columns, examples.validation, params, settings, to_fit)
    rows = examples.matrix[examples.validation][:, list(columns)]
    rounds, raw = [], []
    for of_seed in _of_seeds(settings, params.booster_count):
        booster = lgb.train(
            of_seed,
            to_fit,
            params.max_rounds,
            valid_sets=[validation],
            valid_names=["validation"],
            callbacks=[lgb.early_stopping(params.patience, verbose=False)],
        )
        best = booster.best_iteration
        rounds.append(best)
        raw.append(
            booster.predict(rows, num_iteration=best, raw_score=True, num_threads=params.threads)
        )
    return Stopped(max(round(np.mean(rounds)), _FEWEST_ROUNDS), np.mean(raw, axis=0))


def boost(  # noqa: PLR0917 - explicit parameters beat a bag
    examples: Examples,
    columns: Sequence[int],
    objective: Mapping[str, Any],
    params: TreeParams,
    seed: int,
    rounds: int,
) -> lgb.Booster:
    """Boost on all training rows for so many rounds; the other arguments are `stop_early`'s."""
    settings = _settings(objective, params, seed)
    everything = dataset(examples, columns, examples.everything, params, settings)
    return averaged(
        [
            lgb.train(of_seed, everything, rounds)
            for of_seed in _of_seeds(settings, params.booster_count)
        ]
    )


def dataset(  # noqa: PLR0917
    examples: Examples,
    columns: Sequence[int],
    mask: Mask,
    params: TreeParams,
    settings: Mapping[str, Any],
    reference: lgb.Dataset | None = None,
    target: Values | None = None,
) -> lgb.Dataset:
    """Return LightGBM's view of some rows and columns; validation rows count whatever their age."""
    half_life_ratio = params.half_life_ratio if reference is None else NO_HALF_LIFE
    categorical = set(examples.encoder.categorical)
    return lgb.Dataset(
        examples.matrix[mask][:, list(columns)],
        examples.target[mask] if target is None else target,
        weight=examples.tree_weight(mask, half_life_ratio),
        reference=reference,
        feature_name=[f"f{position}" for position in columns],
        categorical_feature=[i for i, of in enumerate(columns) if of in categorical],
        params=dict(settings),
    )


def _settings(objective: Mapping[str, Any], params: TreeParams, seed: int) -> dict[str, Any]:
    return {
        **params.common(seed),
        "data_random_seed": seed % (2**31),  # of binning: all boosters read the same bins
        "learning_rate": params.learning_rate,
        "feature_fraction": params.feature_ratio,
        "bagging_fraction": params.row_ratio,
        "lambda_l2": params.l2,
        **objective,
    }


def _of_seeds(settings: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    return [
        {**settings, "seed": (settings["seed"] + _SEEDS_APART * number) % (2**31)}
        for number in range(count)
    ]
