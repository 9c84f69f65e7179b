"""Learn what follows: trees stopped early, and an n-gram's part, chosen on later workflows."""

from typing import Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.encode import Encoder
from pipelines.learning.fit_encoder import fit_encoder
from pipelines.learning.next_activity.model import NextActivityModel, mixed
from pipelines.learning.next_activity.ngram import NGram
from pipelines.learning.next_activity.prefixes import (
    EVENT_COLUMNS,
    next_activities,
    prefix_features,
)
from pipelines.learning.next_activity.vocabulary import Codes, Vocabulary
from pipelines.learning.ranking import UNKNOWN, ranking_metrics, ranks

Mask = npt.NDArray[np.bool_]
Matrix = npt.NDArray[np.float64]

_LEAST_ROWS: Final = 20
_MOST_ROUNDS: Final = 300
_PATIENCE: Final = 10
_WEIGHTS: Final = tuple(i / 10 for i in range(11))
_PARAMS: Final = {
    "objective": "multiclass",
    "num_leaves": 15,
    "learning_rate": 0.1,
    # A rare activity has few rows, yet what follows it may be certain.
    "min_data_in_leaf": 5,
    "min_data_per_group": 5,
    "cat_smooth": 5,
    "cat_l2": 5,
    "lambda_l2": 1.0,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "max_bin": 63,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


def fit_next_activity(events: pd.DataFrame, validation: Mask, seed: int = 0) -> NextActivityModel:
    """Train on ended workflows; the validation ones choose, then train too.

    The n-gram's weight is the one with the best mean reciprocal rank on the validation rows, as
    the trees stopped there and both learned from the other rows.

    Args:
        events: all events of ended workflows, as for `prefix_features`.
        validation: mask of the events of the workflows that choose, the latest.
        seed: of bagging and feature sampling.

    Raises:
        TrainingError: too few events on one side, a name that is taken, or nothing varies.
    """
    for side, mask in (("to fit on", ~validation), ("to validate on", validation)):
        if mask.sum() < _LEAST_ROWS:
            raise TrainingError(
                f"{int(mask.sum())} events {side}, at least {_LEAST_ROWS} are needed: give a "
                "longer log."
            )
    features = prefix_features(events)
    following = next_activities(events)
    known = Vocabulary.of(events["activity"][~validation])
    rounds, weight, tried = _choose(features, following, validation, known, seed)
    vocabulary = Vocabulary.of(events["activity"])
    target = vocabulary.class_codes(following)
    encoder = fit_encoder(features)
    params = _params(vocabulary, seed)
    data = _dataset(encoder, encoder.matrix(features), target, params)
    return NextActivityModel(
        vocabulary,
        encoder,
        lgb.train(params, data, rounds),
        fit_ngram(vocabulary, features, target),
        weight,
        tuple(name for name in EVENT_COLUMNS if name in events),
        {
            "event_count": len(events),
            "workflow_count": int(events["workflow_id"].nunique()),
            "round_count": rounds,
            "validation": tried[weight],
            "tried": [
                {
                    "weight": float(one == weight),
                    "reached": metrics["mrr"],
                    "ngram_weight": one,
                    "rounds": rounds,
                }
                for one, metrics in tried.items()
            ],
        },
    )


def fit_ngram(vocabulary: Vocabulary, features: pd.DataFrame, target: Codes) -> NGram:
    """Count what followed the last five activities."""
    contexts = vocabulary.contexts(features)
    return NGram.fit(contexts, target, len(vocabulary.classes), vocabulary.base)


def _choose(
    features: pd.DataFrame,
    following: pd.Series,
    validation: Mask,
    vocabulary: Vocabulary,
    seed: int,
) -> tuple[int, float, dict[float, dict[str, float]]]:
    """Return the rounds, the n-gram's weight, and what each weight reaches on validation rows."""
    fit_rows, later_rows = features[~validation], features[validation]
    target, actual = (vocabulary.class_codes(following[mask]) for mask in (~validation, validation))
    encoder = fit_encoder(fit_rows)
    params = _params(vocabulary, seed)
    to_fit = _dataset(encoder, encoder.matrix(fit_rows), target, params)
    later = encoder.matrix(later_rows)
    is_known = actual != UNKNOWN
    trees = lgb.train(
        params,
        to_fit,
        _MOST_ROUNDS,
        valid_sets=[lgb.Dataset(later[is_known], actual[is_known], reference=to_fit)],
        callbacks=[lgb.early_stopping(_PATIENCE, verbose=False)],
    )
    of_trees = np.asarray(trees.predict(later, num_iteration=trees.best_iteration, num_threads=1))
    ngram = fit_ngram(vocabulary, fit_rows, target)
    of_ngram = ngram.probabilities(vocabulary.contexts(later_rows))
    tried = {
        weight: ranking_metrics(ranks(mixed(of_trees, of_ngram, weight), actual), at=(1, 3))
        for weight in _WEIGHTS
    }
    best = max(_WEIGHTS, key=lambda weight: (tried[weight]["mrr"], -weight))
    return max(trees.best_iteration, 1), best, tried


def _params(vocabulary: Vocabulary, seed: int) -> dict[str, object]:
    return {**_PARAMS, "num_class": len(vocabulary.classes), "seed": seed % 2**31}


def _dataset(
    encoder: Encoder, matrix: Matrix, target: Codes, params: dict[str, object]
) -> lgb.Dataset:
    names = [f"f{position}" for position in range(matrix.shape[1])]
    categorical = encoder.categorical
    return lgb.Dataset(
        matrix, target, feature_name=names, categorical_feature=categorical, params=dict(params)
    )
