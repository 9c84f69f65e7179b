"""A random forest (Breiman, 2001) that answers in log-odds, as a plain LightGBM model.

Deep trees on samples of the rows know less than boosted ones, and are less sure of it: when the
times change, that helps. Each leaf answers with the log-odds of its rows, drawn towards the whole's
by two rows, so that a pure leaf does not say never. The mean of T trees is the sum of trees that
answer with a T-th: saved and explained as boosted ones are.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import lightgbm as lgb
import numpy as np

from pipelines.learning.boosting import TreeParams, dataset
from pipelines.learning.examples import Examples, Mask, Values

_TREES: Final = 200
_LEAVES: Final = 255
_ROWS_IN_LEAF: Final = 5
_FEATURE_RATIO: Final = 0.4
_ROW_RATIO: Final = 0.632  # of distinct rows in a bootstrap sample
_MOST_ROWS_OF_TREE: Final = 30_000
_PRIOR_ROWS: Final = 2.0
_LEAST_SHARE: Final = 1e-3  # where nothing, or everything, was late
_AVERAGES: Final = "average_output\n"  # the line that makes a model text a mean of its trees


def grow_risk_forest(
    examples: Examples, columns: Sequence[int], mask: Mask, params: TreeParams, seed: int
) -> lgb.Booster:
    """Grow a forest on the rows of `mask`; its raw answers are log-odds.

    Args:
        examples: encoded training rows, targets 0 or 1.
        columns: positions of the columns to read.
        mask: rows to learn from.
        params: of a booster; how recent rows weigh and the threads are taken from it.
        seed: of bagging and feature sampling.
    """
    target = examples.target[mask]
    params = replace(params, num_leaves=_LEAVES, min_rows_in_leaf=_ROWS_IN_LEAF)
    settings = {
        **params.common(seed),
        "objective": "regression",
        "boosting": "rf",
        "bagging_fraction": min(_ROW_RATIO, _MOST_ROWS_OF_TREE / len(target)),
        "feature_fraction_bynode": _FEATURE_RATIO,
    }
    booster = lgb.train(settings, dataset(examples, columns, mask, params, settings), _TREES)
    weight = examples.tree_weight(mask, params.half_life_ratio)
    if weight is None:
        weight = np.ones(len(target))
    return _in_log_odds(booster, examples.matrix[mask][:, list(columns)], target, weight)


def _in_log_odds(
    booster: lgb.Booster, matrix: Values, target: Values, weight: Values
) -> lgb.Booster:
    count = booster.num_trees()
    leaves = np.asarray(booster.predict(matrix, pred_leaf=True, num_threads=1), dtype=np.int32)
    leaves = leaves.reshape(len(target), count)
    share = np.clip(np.average(target, weights=weight), _LEAST_SHARE, 1 - _LEAST_SHARE)
    late_prior = _PRIOR_ROWS * float(share)
    for tree in range(count):
        late = np.bincount(leaves[:, tree], weight * target) + late_prior
        in_time = np.bincount(leaves[:, tree], weight * (1 - target)) + _PRIOR_ROWS - late_prior
        for leaf in np.unique(leaves[:, tree]).tolist():
            booster.set_leaf_output(tree, leaf, float(np.log(late[leaf] / in_time[leaf])) / count)
    return lgb.Booster(model_str=booster.model_to_string().replace(_AVERAGES, "", 1))
