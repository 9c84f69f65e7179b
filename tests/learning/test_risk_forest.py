import lightgbm as lgb
import numpy as np
import pytest

from pipelines.learning.boosting import TreeParams
from pipelines.learning.examples import Examples
from pipelines.learning.risk_forest import grow_risk_forest
from tests.learning.examples_of import examples_of


def _examples(count: int = 600) -> Examples:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(count, 3))
    late = rng.random(count) < np.where(matrix[:, 0] > 0, 0.8, 0.2)
    return examples_of(matrix, late, ["a", "b", "c"])


def _grow(examples: Examples, columns: tuple[int, ...] = (0, 1, 2), seed: int = 1) -> lgb.Booster:
    return grow_risk_forest(examples, columns, examples.fit, TreeParams(), seed)


def test_answers_are_log_odds_of_what_happens() -> None:
    examples = _examples(1_000)
    raw = np.asarray(
        _grow(examples).predict(examples.matrix[examples.validation], raw_score=True, num_threads=1)
    )
    is_high = examples.matrix[examples.validation, 0] > 0
    probability = 1 / (1 + np.exp(-raw))
    assert probability[is_high].mean() == pytest.approx(0.8, abs=0.08)
    assert probability[~is_high].mean() == pytest.approx(0.2, abs=0.08)


def test_contributions_of_a_saved_forest_sum_to_its_answers() -> None:
    examples = _examples()
    forest = lgb.Booster(model_str=_grow(examples).model_to_string())
    raw = forest.predict(examples.matrix, raw_score=True, num_threads=1)
    parts = np.asarray(forest.predict(examples.matrix, pred_contrib=True, num_threads=1))
    np.testing.assert_allclose(parts.sum(axis=1), raw, atol=1e-6)
    assert np.abs(parts[:, 0]).mean() > 3 * np.abs(parts[:, 1]).mean()


def test_rows_outside_the_mask_and_columns_not_asked_for_change_nothing() -> None:
    examples = _examples()
    target, matrix = examples.target.copy(), examples.matrix.copy()
    target[examples.validation] = 1 - target[examples.validation]
    matrix[:, 2] = 0
    other = Examples(**{**vars(examples), "target": target, "matrix": matrix})
    texts = [_grow(one, (0, 1)).model_to_string() for one in (examples, other, examples)]
    assert texts[0] == texts[1] == texts[2]
    assert _grow(examples, (0, 1), seed=2).model_to_string() != texts[0]


@pytest.mark.parametrize("is_late", [True, False])
def test_rows_of_one_class_give_a_sure_but_finite_answer(is_late: bool) -> None:
    examples = examples_of(
        np.random.default_rng(0).normal(size=(60, 2)), np.full(60, is_late), ["a", "b"]
    )
    raw = np.asarray(
        _grow(examples, (0, 1)).predict(examples.matrix, raw_score=True, num_threads=1)
    )
    assert np.isfinite(raw).all()
    assert ((raw > 2) == is_late).all()
