import lightgbm as lgb
import numpy as np

from pipelines.learning.average import averaged

_QUIET = {"verbose": -1, "num_threads": 1, "bagging_freq": 1, "bagging_fraction": 0.5}


def test_one_booster_says_the_mean_of_several_and_explains_it() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(500, 3))
    matrix[:, 2] = rng.integers(0, 6, 500)  # a category
    target = matrix[:, 0] + (matrix[:, 2] == 1) + rng.normal(size=500)
    boosters = [
        lgb.train(
            {**_QUIET, "objective": "regression_l1", "seed": seed},
            lgb.Dataset(matrix, target, categorical_feature=[2]),
            5 + seed,
        )
        for seed in range(3)
    ]
    one = averaged(boosters)
    assert one.num_trees() == sum(booster.num_trees() for booster in boosters)
    for options in ({"raw_score": True}, {"pred_contrib": True}):
        each = [booster.predict(matrix, **options) for booster in boosters]
        np.testing.assert_allclose(one.predict(matrix, **options), np.mean(each, axis=0))
    again = lgb.Booster(model_str=one.model_to_string())
    np.testing.assert_array_equal(again.predict(matrix), one.predict(matrix))


def test_the_mean_of_one_is_that_one() -> None:
    booster = lgb.train(_QUIET, lgb.Dataset(np.arange(100.0).reshape(-1, 1), np.arange(100.0)), 2)
    assert averaged([booster]) is booster
