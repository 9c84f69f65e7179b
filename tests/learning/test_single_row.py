from concurrent.futures import ThreadPoolExecutor

import lightgbm as lgb
import numpy as np
import pytest

from pipelines.learning.single_row import Answer, SingleRow

COLUMNS = 5


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(600, COLUMNS))
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows


@pytest.fixture(scope="module")
def booster(matrix: np.ndarray) -> lgb.Booster:
    target = np.nan_to_num(matrix[:, 0] * matrix[:, 1]) + np.nan_to_num(matrix[:, 2])
    return lgb.train({"verbosity": -1, "num_threads": 1}, lgb.Dataset(matrix, target), 40)


@pytest.fixture(scope="module")
def of_classes(matrix: np.ndarray) -> lgb.Booster:
    target = np.digitize(np.nan_to_num(matrix[:, 0]), [-0.5, 0.5])
    params = {"objective": "multiclass", "num_class": 3, "verbosity": -1, "num_threads": 1}
    return lgb.train(params, lgb.Dataset(matrix, target), 20)


@pytest.mark.parametrize("answer", Answer)
@pytest.mark.parametrize("learned", ["booster", "of_classes"])
def test_each_row_is_answered_as_lightgbm_does_to_the_last_bit(
    matrix: np.ndarray, answer: Answer, learned: str, request: pytest.FixtureRequest
) -> None:
    trees: lgb.Booster = request.getfixturevalue(learned)
    one = SingleRow(trees, answer)
    expected = trees.predict(
        matrix, raw_score=answer is Answer.RAW, pred_leaf=answer is Answer.LEAVES
    )
    found = np.array([one.predict(row) for row in matrix])
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)


def test_threads_do_not_mix_up_their_rows(booster: lgb.Booster, matrix: np.ndarray) -> None:
    one = SingleRow(booster)
    rows = np.tile(matrix, (20, 1))
    with ThreadPoolExecutor(4) as pool:
        found = np.concatenate(list(pool.map(one.predict, rows)))
    np.testing.assert_array_equal(found, np.tile(booster.predict(matrix), 20))


def test_a_row_of_another_length_is_refused(booster: lgb.Booster, matrix: np.ndarray) -> None:
    with pytest.raises(lgb.basic.LightGBMError, match="5 columns, not 4"):
        SingleRow(booster).predict(matrix[0, :4])
