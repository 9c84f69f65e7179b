import numpy as np

from pipelines.learning.blend import Blend, Member
from pipelines.learning.boosting import TreeParams, boost
from pipelines.learning.forest import grow
from pipelines.learning.risk_forest import grow_risk_forest
from tests.learning.examples_of import examples_of


def test_a_forest_is_explained_by_the_mean_of_its_trees_not_their_sum() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(400, 2))
    examples = examples_of(matrix, matrix[:, 0] > 0, ["tells", "noise"])
    forest = grow(examples, (0, 1), examples.everything, TreeParams(min_rows_in_leaf=5), 0)
    member = Member(forest.booster, (0, 1), leaf_values=forest.leaf_values, is_bagged=True)
    parts = Blend((member,)).contributions(matrix)
    # Targets are 0 or 1: knowing a row moves its mean by half, up or down.
    moved = np.where(matrix[:, 0] > 0, 1, -1) * parts[:, 0]
    assert 0.3 < moved.mean() < 0.6
    np.testing.assert_allclose(parts.sum(axis=1), member.raw(matrix, 1))


def test_some_trees_of_a_forest_explain_it_and_a_row_still_sums_to_its_answer() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(500, 4))
    target = (matrix[:, 0] + 0.5 * matrix[:, 1] > 0).astype(float)
    examples = examples_of(matrix, target, ["first", "second", "noise", "more noise"])
    booster = grow_risk_forest(examples, (0, 1, 2, 3), examples.everything, TreeParams(), 0)
    some = Blend((Member(booster, (0, 1, 2, 3), is_bagged=True),)).contributions(matrix)
    every = Blend((Member(booster, (0, 1, 2, 3)),)).contributions(matrix)
    np.testing.assert_allclose(some.sum(axis=1), every.sum(axis=1))
    assert not np.array_equal(some, every)
    strongest = np.abs(every[:, :-1]).argmax(axis=1)
    rows = np.arange(len(matrix))
    is_same = np.sign(some[rows, strongest]) == np.sign(every[rows, strongest])
    assert is_same.mean() > 0.99


def test_a_single_row_is_answered_as_among_others() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(400, 2))
    examples = examples_of(matrix, matrix[:, 0] > 0, ["tells", "noise"])
    forest = grow(examples, (0, 1), examples.everything, TreeParams(min_rows_in_leaf=5), 0)
    for member in (
        Member(forest.booster, (1, 0), leaf_values=forest.leaf_values, is_bagged=True),
        Member(forest.booster, (1, 0)),
    ):
        one_by_one = [member.raw(matrix[[row]], 1)[0] for row in range(len(matrix))]
        np.testing.assert_array_equal(one_by_one, member.raw(matrix, 1))


def test_a_blend_is_explained_by_its_members_and_a_row_sums_to_its_answer() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(400, 2))
    examples = examples_of(matrix, matrix[:, 0] + matrix[:, 1] / 2, ["first", "second"])
    first, second = (
        Member(boost(examples, one, {"objective": "regression"}, TreeParams(), 0, 20), one, weight)
        for one, weight in (((0,), 0.5), ((1, 0), 0.3))
    )
    blend = Blend((first, second))
    shares = blend.shares(matrix)
    np.testing.assert_allclose(shares, 0.5 * first.shares(matrix) + 0.3 * second.shares(matrix))
    np.testing.assert_allclose(blend.contributions(matrix).sum(axis=1), blend.raw(matrix))
    np.testing.assert_array_equal(blend.contributions(matrix)[:, :-1], shares)
    assert not first.shares(matrix)[:, 1].any()
