from dataclasses import replace

import numpy as np
import pytest

from pipelines.learning.blend import trimmed
from pipelines.learning.boosting import NO_HALF_LIFE, TreeParams
from pipelines.learning.choice import Choice
from pipelines.learning.column_sets import EVERYTHING, OWN_HISTORY, column_sets
from pipelines.learning.encode import Column, Encoder, Kind
from pipelines.learning.examples import Examples
from pipelines.learning.forest import grow
from pipelines.learning.remaining_time import PROBLEM
from pipelines.learning.search import search, train_choice
from pipelines.learning.space import Learner

_OWN, _COMPANY = "workflow_progress__elapsed_s", "activity_stats__open_workflow_count"
_ROWS, _WEEKS = 2_000, 20


def _examples(count: np.ndarray, target: np.ndarray, own: np.ndarray) -> Examples:
    """Weeks in order; the last five are the validation rows."""
    validation = np.arange(_ROWS) >= _ROWS * 15 // _WEEKS
    return Examples(
        encoder=Encoder(tuple(Column(name, name, Kind.NUMBER) for name in (_OWN, _COMPANY))),
        matrix=np.column_stack([own, count]).astype(float),
        target=target,
        weight=np.ones(_ROWS),
        age_ratio=np.linspace(1, 0, _ROWS),
        fit=~validation,
        validation=validation,
    )


def _losses(choice: Choice) -> dict[str, float]:
    """Loss of the default booster on each set of columns."""
    first = [one for one in choice.trials if one.params == TreeParams()]
    return {one.column_set: one.validation_loss for one in first}


def _queueing(seed: int) -> Examples:
    rng = np.random.default_rng(seed)
    own, queue = rng.normal(size=_ROWS), rng.integers(0, 100, _ROWS)
    return _examples(queue, 4 + own + queue / 25 + rng.normal(0, 0.2, _ROWS), own)


@pytest.mark.parametrize("seed", range(3))
def test_counts_that_only_tell_the_week_are_left_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    week = np.arange(_ROWS) * _WEEKS // _ROWS
    own = rng.normal(size=_ROWS)
    # The history grows; what a week was like is chance, but for its own long decline.
    target = 5 + own + np.where(week < 15, -0.2 * week, 0.0) + rng.normal(0, 0.2, _ROWS)
    examples = _examples(week * 10 + rng.integers(0, 5, _ROWS), target, own)
    choice = search(examples, PROBLEM, 5, seed)
    assert {one.column_set for one in choice.members} == {OWN_HISTORY}
    assert _losses(choice)[EVERYTHING] > _losses(choice)[OWN_HISTORY]
    blend = train_choice(choice, examples, PROBLEM, seed)
    encoder, _ = trimmed(examples.encoder, {"p50": blend})
    assert encoder.names == [_OWN]


@pytest.mark.parametrize("seed", range(3))
def test_counts_that_delay_work_are_read(seed: int) -> None:
    choice = search(_queueing(seed), PROBLEM, 5, seed)
    assert {one.column_set for one in choice.members} == {EVERYTHING}
    assert _losses(choice)[EVERYTHING] < 0.5 * _losses(choice)[OWN_HISTORY]


def test_without_such_columns_there_is_nothing_to_choose() -> None:
    examples = _queueing(0)
    alone = replace(examples, encoder=Encoder(examples.encoder.columns[:1]))
    assert column_sets(alone.encoder) == {OWN_HISTORY: (0,)}
    choice = search(replace(alone, matrix=examples.matrix[:, :1]), PROBLEM, 3, 0)
    assert {one.column_set for one in choice.trials} == {OWN_HISTORY}


def test_the_same_seed_tries_the_same() -> None:
    first, again = (search(_queueing(1), PROBLEM, 7, seed=3) for _ in range(2))
    assert [one.settings for one in first.trials] == [one.settings for one in again.trials]
    assert first.weights == again.weights
    assert {one.learner for one in first.trials} == {Learner.BOOSTING, Learner.FOREST}
    assert min(one.params.half_life_ratio for one in first.trials) < NO_HALF_LIFE


def test_a_blend_is_no_worse_than_what_it_is_made_of() -> None:
    examples = _queueing(2)
    choice = search(examples, PROBLEM, 7, seed=3)
    assert sum(choice.weights.values()) == pytest.approx(1)
    assert choice.validation_loss <= min(one.validation_loss for one in choice.members)
    target = examples.target[examples.validation]
    assert PROBLEM.loss(choice.validation_raw, target) == pytest.approx(choice.validation_loss)


def test_the_validation_rows_alone_choose() -> None:
    """What validation rows had as targets moves the choice, but no tree that was tried."""
    examples = _queueing(4)
    moved = np.where(examples.validation, examples.target + 1, examples.target)
    first, other = (
        search(of, PROBLEM, 4, seed=3) for of in (examples, replace(examples, target=moved))
    )
    forests = [
        next(one for one in of.trials if one.learner is Learner.FOREST) for of in (first, other)
    ]
    np.testing.assert_array_equal(*(one.validation_raw for one in forests))
    assert forests[0].validation_loss != forests[1].validation_loss


def test_a_forest_answers_with_the_median_of_what_is_near() -> None:
    """Of a skewed target it is the median, where the mean would be half as much again."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, _ROWS)
    target = np.where(kind == 1, 10.0, 1.0) * rng.lognormal(0, 1, _ROWS)
    forest = grow(
        _examples(kind, target, rng.normal(size=_ROWS)),
        (1,),
        np.ones(_ROWS, dtype=bool),
        TreeParams(feature_ratio=1.0),
        0,
    )
    said = forest.median(np.array([[0.0], [1.0]]))
    for value, of in zip(said, (0, 1), strict=True):
        assert value == pytest.approx(np.median(target[kind == of]), rel=0.15)
        assert value < 0.8 * target[kind == of].mean()


def test_a_forest_with_a_half_life_believes_the_recent_rows() -> None:
    rng = np.random.default_rng(0)
    target = np.where(np.arange(_ROWS) < 1_500, 8.0, 2.0) + rng.normal(0, 0.1, _ROWS)
    examples = _examples(rng.integers(0, 5, _ROWS), target, rng.normal(size=_ROWS))
    everything = examples.everything
    plain, recent = (
        grow(examples, (0, 1), everything, TreeParams(half_life_ratio=of), 0).median(
            examples.matrix[:50]
        )
        for of in (NO_HALF_LIFE, 0.05)
    )
    assert np.median(plain) == pytest.approx(8, abs=0.5)
    assert np.median(recent) == pytest.approx(2, abs=0.5)
