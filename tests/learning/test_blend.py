from dataclasses import replace

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


def test_members_that_say_little_explain_nothing_and_a_row_still_sums_to_its_answer() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(400, 2))
    examples = examples_of(matrix, matrix[:, 0] + matrix[:, 1] / 2, ["first", "second"])
    boosters = [
        boost(examples, columns, {"objective": "regression"}, TreeParams(), seed, 20)
        for seed, columns in enumerate([(0,), (1,), (0, 1)])
    ]
    first, second, both = (
        Member(booster, columns, weight)
        for booster, columns, weight in zip(
            boosters, [(0,), (1,), (0, 1)], (0.45, 0.4, 0.05), strict=True
        )
    )
    blend = Blend((first, second, both))
    shares = blend.shares(matrix)
    expected = 0.45 * first.shares(matrix) + 0.4 * second.shares(matrix)
    np.testing.assert_allclose(shares, expected * 0.9 / 0.85)
    np.testing.assert_allclose(blend.contributions(matrix).sum(axis=1), blend.raw(matrix))
    np.testing.assert_array_equal(blend.contributions(matrix)[:, :-1], shares)
    # Where all say little, who says most explains.
    many = Blend((*(replace(both, weight=0.1) for _ in range(9)), replace(first, weight=0.11)))
    np.testing.assert_allclose(many.shares(matrix), first.shares(matrix) * 1.01)
