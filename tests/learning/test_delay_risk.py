from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipelines.learning import delay_risk
from pipelines.learning.examples import Examples
from tests.learning.examples_of import examples_of


def _examples(count: int = 600) -> Examples:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(count, 2))
    late = rng.random(count) < 1 / (1 + np.exp(-1.5 * matrix[:, 0]))
    return examples_of(matrix, late, ["severity", "noise"])


def _loss(raw: np.ndarray, late: np.ndarray) -> float:
    return delay_risk.refinement_loss(raw, late, np.ones(len(late)))


def test_the_level_of_the_answers_is_no_loss() -> None:
    raw, late = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0.0, 1.0, 0.0, 1.0])
    loss = _loss(raw, late)
    assert _loss(raw + 5, late) == pytest.approx(loss)
    assert _loss(-raw, late) > loss
    assert loss == pytest.approx(np.mean(np.logaddexp(0, raw) - late * raw))  # level is right
    assert _loss(np.full(4, 7.0), late) == pytest.approx(np.log(2))


def test_one_class_has_its_plain_loss() -> None:
    assert _loss(np.zeros(3), np.ones(3)) == pytest.approx(np.log(2))


def test_what_tells_late_from_in_time_is_preferred_to_what_knows_the_level() -> None:
    late = np.array([0.0, 0.0, 0.0, 1.0, 0.0])
    knows_level = np.full(5, np.log(0.2 / 0.8))
    tells_apart = np.array([1.0, 1.0, 1.0, 3.0, 1.0])
    plain = [float(np.mean(np.logaddexp(0, r) - late * r)) for r in (knows_level, tells_apart)]
    assert plain[0] < plain[1]
    assert _loss(tells_apart, late) < _loss(knows_level, late)


def test_a_row_of_weight_two_counts_twice() -> None:
    raw, late = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0.0, 1.0, 0.0, 1.0])
    twice = np.array([0, 1, 1, 2, 3])
    loss = delay_risk.refinement_loss(raw, late, np.array([1.0, 2.0, 1.0, 1.0]))
    assert loss == pytest.approx(_loss(raw[twice], late[twice]))
    assert loss != pytest.approx(_loss(raw, late))


def test_rows_stand_for_others_like_them() -> None:
    """Where the late ones count threefold, everybody is that much more at risk."""
    plain = _examples()
    weight = np.where(plain.target > 0, 3.0, 1.0)
    heavy, searched = replace(plain, weight=weight), replace(plain, search_weight=weight)
    fitted = [delay_risk.fit(of, 2, 0) for of in (plain, heavy, searched)]
    odds = []
    for one in fitted:
        raw = {name: score.raw(plain.matrix) for name, score in one.scores.items()}
        late = delay_risk.answers(raw, one.constants)["late_probability"]
        odds.append((late / (1 - late)).mean())
    assert odds[1] == pytest.approx(3 * odds[0], rel=0.35)
    # While searching only: what is trained at last does not know.
    assert odds[2] == pytest.approx(odds[0], rel=0.1)
    losses = [one.choice.validation_loss for one in fitted]
    assert losses[0] != losses[1] == losses[2]
    raws = [one.validation_raw[delay_risk.RISK_SCORE] for one in fitted]
    np.testing.assert_array_equal(raws[1], raws[2])


def test_the_latest_rows_move_the_level_and_nothing_else() -> None:
    """Few are late at first and many later, and no column tells the day."""
    plain = _examples(1_200)
    rng = np.random.default_rng(1)
    chance = 1 / (1 + np.exp(-1.5 * plain.matrix[:, 0] - np.where(plain.validation, 2.0, -1.5)))
    changed = replace(plain, target=(rng.random(len(chance)) < chance).astype(float))
    fitted = delay_risk.fit(changed, 2, 0)
    late = changed.target[changed.validation]
    raw = fitted.scores[delay_risk.RISK_SCORE].raw(changed.matrix[changed.validation])
    slope, middle, shift = (fitted.constants[name] for name in ("slope", "intercept", "level"))

    def said(level: float) -> np.ndarray:
        constants = {"slope": slope, "intercept": middle, "level": level}
        return delay_risk.answers({delay_risk.RISK_SCORE: raw}, constants)["late_probability"]

    assert said(0).mean() < late.mean() - 0.05
    assert said(2 * shift).mean() == pytest.approx(late.mean(), abs=1e-6)  # it goes half the way
    # How good the forerunners were is not told with what they could not know.
    measured = delay_risk.validation_metrics(fitted, pd.Series(late > 0))
    assert (measured["mean_probability"] or 0) < late.mean() - 0.1


def test_boosters_and_forest_count_half_each() -> None:
    examples = _examples()
    score = delay_risk.fit(examples, 2, 0).scores[delay_risk.RISK_SCORE]
    *boosted, forest = score.members
    assert forest.weight == 0.5
    assert sum(one.weight for one in boosted) == pytest.approx(0.5)
    parts = score.contributions(examples.matrix)
    np.testing.assert_allclose(parts.sum(axis=1), score.raw(examples.matrix), atol=1e-6)


def test_answers_may_become_less_sure_but_never_surer() -> None:
    raw = {delay_risk.RISK_SCORE: np.array([-3.0, 0.0, 3.0])}
    sure = _examples()
    fitted = delay_risk.fit(sure, 2, 0)
    assert 0.5 < fitted.constants["slope"] <= 1.0
    # Validation rows that say nothing: everything is drawn to the share of the whole.
    rng = np.random.default_rng(1)
    target = sure.target.copy()
    target[sure.validation] = rng.permutation(target[sure.validation])
    unsure = delay_risk.fit(Examples(**{**vars(sure), "target": target}), 2, 0).constants
    assert unsure["slope"] < 0.3
    answered = delay_risk.answers(raw, unsure)["late_probability"]
    assert np.abs(answered - target.mean()).max() < 0.25


def test_how_sure_it_may_be_is_what_the_heavy_rows_say() -> None:
    """Of the validation rows one half says nothing."""
    plain = _examples()
    rng = np.random.default_rng(1)
    says_nothing = plain.validation & (np.arange(len(plain.target)) % 2 == 0)
    target = plain.target.copy()
    target[says_nothing] = rng.permutation(target[says_nothing])
    weights = np.where(says_nothing, 1.0, 20.0), np.where(says_nothing, 20.0, 1.0)
    examples = replace(plain, target=target)
    sure, unsure = (
        delay_risk.fit(replace(examples, search_weight=of), 2, 0).constants for of in weights
    )
    assert sure["slope"] > unsure["slope"] + 0.3


def test_less_sure_is_nearer_to_the_share_of_what_rows_stand_for() -> None:
    plain = _examples()
    weight = np.where(plain.target > 0, 3.0, 1.0)
    rng = np.random.default_rng(1)
    target = np.where(plain.validation, rng.permutation(plain.target), plain.target)
    constants = delay_risk.fit(replace(plain, target=target, weight=weight), 2, 0).constants
    share = np.average(target, weights=weight)
    assert constants["slope"] < 0.5
    middle = constants["intercept"] / (1 - constants["slope"])
    assert middle == pytest.approx(np.log(share / (1 - share)))


def test_the_same_seed_gives_the_same_answers() -> None:
    examples = _examples()
    answers = [
        delay_risk.fit(examples, 2, 5).scores[delay_risk.RISK_SCORE].raw(examples.matrix)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*answers)
