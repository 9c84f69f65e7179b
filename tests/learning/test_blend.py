import numpy as np

from pipelines.learning.blend import Member
from pipelines.learning.boosting import TreeParams
from pipelines.learning.forest import grow
from tests.learning.examples_of import examples_of


def test_a_forest_is_explained_by_the_mean_of_its_trees_not_their_sum() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(400, 2))
    examples = examples_of(matrix, matrix[:, 0] > 0, ["tells", "noise"])
    forest = grow(examples, (0, 1), examples.everything, TreeParams(min_rows_in_leaf=5), 0)
    member = Member(forest.booster, (0, 1), leaf_values=forest.leaf_values)
    parts = member.contributions(matrix)
    # Targets are 0 or 1: knowing a row moves its mean by half, up or down.
    moved = np.where(matrix[:, 0] > 0, 1, -1) * parts[:, 0]
    assert 0.3 < moved.mean() < 0.6
    np.testing.assert_allclose(parts.sum(axis=1), member.raw(matrix, 1))
