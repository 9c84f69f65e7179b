"""Train gradient-boosted trees (LightGBM) with early stopping on the later training workflows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.columns import AS_OF, WORKFLOW_ID
from pipelines.learning.encode import Encoder, Matrix

_VALIDATION_RATIO: Final = 0.2
_LEAST_VALIDATION_ROWS: Final = 20
_FEWEST_ROUNDS: Final = 10


@dataclass(frozen=True)
class BoostingParams:
    """Hyper-parameters of every booster."""

    learning_rate: float = 0.06
    num_leaves: int = 31
    min_rows_in_leaf: int = 40
    feature_ratio: float = 0.8
    row_ratio: float = 0.8
    l2: float = 1.0
    max_rounds: int = 500
    patience: int = 30
    # Threads of LightGBM wait by spinning: on a machine that is busy with other work a second
    # one makes training slower, not faster.
    threads: int = 1

    def lightgbm(self, objective: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """Return LightGBM's parameters for an objective; the same seed gives the same trees."""
        return {
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_rows_in_leaf,
            "feature_fraction": self.feature_ratio,
            "bagging_fraction": self.row_ratio,
            "bagging_freq": 1,
            "lambda_l2": self.l2,
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
            **objective,
        }


@dataclass(frozen=True)
class Examples:
    """Training rows as a model reads them, with the validation rows.

    `fit` and `validation` are masks: the validation workflows are the latest-opened fifth of
    the training workflows, and those to fit on had ended when the first of them opened.
    `weight` is the censoring weight. Calibration uses it, as most of the long workflows opened
    lately have not ended; the trees do not: measured on public logs, it made their error on
    later workflows larger as often as smaller.
    """

    encoder: Encoder
    matrix: Matrix
    target: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]
    fit: npt.NDArray[np.bool_]
    validation: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Boosted:
    """A booster trained on all rows, and what its forerunner said about the validation rows."""

    booster: lgb.Booster
    rounds: int
    validation_raw: npt.NDArray[np.float64]
    validation_loss: float


def validation_masks(
    train: pd.DataFrame,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return the masks of the rows to fit on and of the later rows to validate on.

    Raises:
        TrainingError: too few rows on one side.
    """
    closed_at = train[AS_OF] + pd.to_timedelta(train["remaining_time_s"], unit="s")
    opened_at = closed_at - pd.to_timedelta(train["lead_time_s"], unit="s")
    openings = opened_at.groupby(train[WORKFLOW_ID]).first().sort_values()
    start = openings.iloc[int(len(openings) * (1 - _VALIDATION_RATIO))]
    validation = (opened_at >= start).to_numpy()
    fit = (closed_at < start).to_numpy()
    if fit.sum() < _LEAST_VALIDATION_ROWS:
        # Nearly everything overlaps: better to validate a little kindly than not at all.
        fit = ~validation
    for side, mask in (("to fit on", fit), ("to validate on", validation)):
        if mask.sum() < _LEAST_VALIDATION_ROWS:
            raise TrainingError(
                f"{int(mask.sum())} training rows {side}, at least {_LEAST_VALIDATION_ROWS} are "
                f"needed ({len(openings)} training workflows): import a longer history."
            )
    return fit, validation


def boost(
    examples: Examples, objective: Mapping[str, Any], params: BoostingParams, seed: int
) -> Boosted:
    """Find the number of rounds on the validation rows, then train on all rows that long.

    Args:
        examples: encoded training rows.
        objective: LightGBM's objective and metric.
        params: hyper-parameters.
        seed: of bagging and feature sampling.
    """
    settings = params.lightgbm(objective, seed)
    first, loss = _stopped_early(examples, settings, params)
    rounds = max(first.best_iteration, _FEWEST_ROUNDS)
    everything = np.ones(len(examples.target), dtype=bool)
    return Boosted(
        booster=lgb.train(settings, _dataset(examples, everything, settings), rounds),
        rounds=rounds,
        validation_raw=np.asarray(
            first.predict(
                examples.matrix[examples.validation],
                num_iteration=first.best_iteration,
                raw_score=True,
                num_threads=params.threads,
            )
        ),
        validation_loss=loss,
    )


def validation_loss(
    examples: Examples, objective: Mapping[str, Any], params: BoostingParams, seed: int
) -> float:
    """Return the least loss on the validation rows of a booster trained on the others alone.

    The arguments are those of `boost`.
    """
    return _stopped_early(examples, params.lightgbm(objective, seed), params)[1]


def _stopped_early(
    examples: Examples, settings: dict[str, Any], params: BoostingParams
) -> tuple[lgb.Booster, float]:
    """Train on the rows to fit on until the validation loss rises; return that loss too."""
    to_fit = _dataset(examples, examples.fit, settings)
    booster = lgb.train(
        settings,
        to_fit,
        params.max_rounds,
        valid_sets=[_dataset(examples, examples.validation, settings, to_fit)],
        valid_names=["validation"],
        callbacks=[lgb.early_stopping(params.patience, verbose=False)],
    )
    (loss,) = booster.best_score["validation"].values()
    return booster, float(loss)


def _dataset(
    examples: Examples,
    mask: npt.NDArray[np.bool_],
    settings: dict[str, Any],
    reference: lgb.Dataset | None = None,
) -> lgb.Dataset:
    return lgb.Dataset(
        examples.matrix[mask],
        examples.target[mask],
        reference=reference,
        feature_name=[f"f{i}" for i in range(examples.matrix.shape[1])],
        categorical_feature=examples.encoder.categorical,
        params=settings,
    )
