"""A quantile forest grown on ranks: what a row's neighbours in many trees took, as a distribution.

Trees are split where the ranks of the target differ most, so that a few very long workflows do
not decide where. Each leaf keeps a few of its rows' targets, and a row's answer is their median
over all trees (Meinshausen, "Quantile regression forests", JMLR 2006, with a sample for each
leaf's rows). LightGBM grows the trees in its random-forest mode.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from pipelines.learning.boosting import TreeParams, dataset
from pipelines.learning.encode_values import Matrix
from pipelines.learning.examples import Examples, Mask, Values

LeafValues = npt.NDArray[np.float32]

TREES: Final = 150
TREES_OF_TRIAL: Final = 50  # enough to tell whether a forest is worth growing
_LEAVES: Final = 255
_FEATURE_RATIO: Final = 0.4  # of the columns that a split may look at
_SAMPLES_PER_LEAF: Final = 4
_ROW_RATIO: Final = 0.632  # of distinct rows in a bootstrap sample
_MOST_ROWS_OF_TREE: Final = 30_000
_ROWS_AT_ONCE: Final = 4_000


@dataclass(frozen=True)
class Forest:
    """Trees whose leaves answer with their mean target, and targets kept of each leaf.

    `leaf_values` is float32 (trees, leaves, samples).
    """

    booster: lgb.Booster
    leaf_values: LeafValues

    def median(self, matrix: Matrix, threads: int = 1) -> Values:
        """Return the median target of each row's neighbours."""
        result = np.empty(len(matrix))
        for begin in range(0, len(matrix), _ROWS_AT_ONCE):
            rows = matrix[begin : begin + _ROWS_AT_ONCE]
            leaves = self.booster.predict(rows, pred_leaf=True, num_threads=threads)
            leaves = np.asarray(leaves).reshape(len(rows), -1)
            result[begin : begin + len(rows)] = median_of(self.leaf_values, leaves)
        return result


def median_of(leaf_values: LeafValues, leaves: npt.NDArray[np.generic]) -> Values:
    """Return the median target kept in some leaves.

    Args:
        leaf_values: float32 (trees, leaves, an even number of samples).
        leaves: of each row, one of each tree: (rows, trees).
    """
    trees = np.arange(len(leaf_values))
    near = leaf_values[trees, leaves.astype(np.intp)].reshape(len(leaves), -1)
    # `np.median` does the same and, for one row, takes four times as long.
    middle = near.shape[1] // 2
    near.partition((middle - 1, middle), axis=1)
    return np.asarray(near[:, middle - 1 : middle + 1].mean(axis=1), dtype=np.float64)


def grow(
    examples: Examples,
    columns: Sequence[int],
    mask: Mask,
    params: TreeParams,
    seed: int,
    *,
    tree_count: int = TREES,
) -> Forest:
    """Grow a forest on the rows of `mask`.

    Args:
        examples: encoded training rows.
        columns: positions of the columns to read.
        mask: rows to learn from.
        params: hyper-parameters.
        seed: of bagging, feature sampling and of what the leaves keep.
        tree_count: trees to grow.
    """
    target = examples.target[mask]
    settings = {
        **params.common(seed),
        "num_leaves": _LEAVES,
        "min_data_in_leaf": params.forest_rows_in_leaf,
        "objective": "regression",
        "boosting": "rf",
        "bagging_fraction": min(_ROW_RATIO, _MOST_ROWS_OF_TREE / len(target)),
        "feature_fraction_bynode": _FEATURE_RATIO,
    }
    ranks = rankdata(target) / len(target)
    rows = dataset(examples, columns, mask, params, settings, target=ranks)
    booster = lgb.train(settings, rows, tree_count)
    weight = examples.tree_weight(mask, params.half_life_ratio)
    matrix = examples.matrix[mask][:, list(columns)]
    return _with_leaf_values(booster, matrix, target, weight, seed)


def _with_leaf_values(
    booster: lgb.Booster, matrix: Matrix, target: Values, weight: Values | None, seed: int
) -> Forest:
    """Keep targets of each leaf, drawn by weight, and let the leaves answer with their mean."""
    rng = np.random.default_rng(seed)
    count = booster.num_trees()
    leaves = np.asarray(booster.predict(matrix, pred_leaf=True, num_threads=1), dtype=np.int32)
    leaves = leaves.reshape(len(target), count)
    kept = np.zeros((count, int(leaves.max()) + 1, _SAMPLES_PER_LEAF), dtype=np.float32)
    for tree in range(count):
        # The smallest of exponential times with these rates: drawn without replacement by weight.
        times = rng.exponential(size=len(target))
        order = np.lexsort((times if weight is None else times / weight, leaves[:, tree]))
        numbers, begins, sizes = np.unique(
            leaves[order, tree], return_index=True, return_counts=True
        )
        for sample in range(_SAMPLES_PER_LEAF):
            kept[tree, numbers, sample] = target[order[begins + sample % sizes]]
        sums = np.bincount(leaves[:, tree], target if weight is None else target * weight)
        totals = np.bincount(leaves[:, tree], weight)
        for leaf in numbers:
            booster.set_leaf_output(tree, int(leaf), float(sums[leaf] / totals[leaf]))
    return Forest(booster, kept)
