from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipelines.learning.blend import trimmed
from pipelines.learning.boosting import NO_HALF_LIFE, TreeParams, boost, dataset, stop_early
from pipelines.learning.choice import Choice, Trial, choose
from pipelines.learning.column_sets import EVERYTHING, OWN_HISTORY, column_sets
from pipelines.learning.encode import Column, Encoder, Kind
from pipelines.learning.examples import Examples
from pipelines.learning.forest import grow
from pipelines.learning.problem import Problem
from pipelines.learning.remaining_time import PROBLEM, fit, mean_absolute_error_hours
from pipelines.learning.search import search, train_choice
from pipelines.learning.space import Learner, Space

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


def _only(learner: Learner) -> Problem:
    return replace(PROBLEM, space=replace(PROBLEM.space, learners=(learner,)))


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
    assert min(one.params.half_life_ratio for one in first.trials) < NO_HALF_LIFE


def test_a_blend_is_no_worse_than_what_it_is_made_of() -> None:
    examples = _queueing(2)
    choice = search(examples, PROBLEM, 7, seed=3)
    assert sum(choice.weights.values()) == pytest.approx(1)
    assert choice.validation_loss <= min(one.validation_loss for one in choice.members)
    target = examples.target[examples.validation]
    loss = PROBLEM.loss(choice.validation_raw, target, np.ones(len(target)))
    assert loss == pytest.approx(choice.validation_loss)


def test_the_validation_rows_alone_choose() -> None:
    """What validation rows had as targets moves the choice, but no tree that was tried."""
    examples = _queueing(4)
    moved = np.where(examples.validation, examples.target + 1, examples.target)
    first, other = (
        search(of, _only(Learner.FOREST), 2, seed=3)
        for of in (examples, replace(examples, target=moved))
    )
    forests = first.trials[0], other.trials[0]
    np.testing.assert_array_equal(*(one.validation_raw for one in forests))
    assert forests[0].validation_loss != forests[1].validation_loss


def test_a_pair_says_the_mean_of_boosted_trees_and_a_forest() -> None:
    examples = _queueing(5)
    pair, boosted, forest = (
        search(examples, _only(of), 1, seed=3)
        for of in (Learner.PAIR, Learner.BOOSTING, Learner.FOREST)
    )
    halves = boosted.trials[0].validation_raw, forest.trials[0].validation_raw
    np.testing.assert_allclose(pair.trials[0].validation_raw, np.mean(halves, axis=0))
    members = train_choice(pair, examples, _only(Learner.PAIR), 3).members
    assert [one.weight for one in members] == [0.5, 0.5]
    assert [one.leaf_values is not None for one in members] == [True, False]


def test_several_boosters_answer_as_one_that_is_their_mean() -> None:
    examples = _queueing(6)
    params = TreeParams(booster_count=3)
    stopped = stop_early(examples, (0, 1), PROBLEM.objective, params, 0)
    one = boost(examples, (0, 1), PROBLEM.objective, params, 0, stopped.rounds)
    assert one.num_trees() == 3 * stopped.rounds
    alone = [
        boost(examples, (0, 1), PROBLEM.objective, TreeParams(), seed, stopped.rounds)
        for seed in (0, 1_000, 2_000)
    ]
    each = [booster.predict(examples.matrix, raw_score=True) for booster in alone]
    assert np.abs(each[0] - each[1]).max() > 0
    np.testing.assert_allclose(one.predict(examples.matrix, raw_score=True), np.mean(each, axis=0))


@pytest.mark.parametrize(("shrinks", "weights"), [(True, {0: 0.5}), (False, {0: 1.0})])
def test_what_lately_became_half_as_long_is_drawn_to_zero(
    weights: dict[int, float], *, shrinks: bool
) -> None:
    problem = replace(PROBLEM, space=Space(shrinks=shrinks))
    said = np.full(10, 4.0)
    trial = Trial(0, Learner.FOREST, OWN_HISTORY, TreeParams(), 0, 1.0, said)
    choice = choose([trial], said / 2, np.ones(10), problem, [OWN_HISTORY])
    assert choice.weights == weights
    assert choice.validation_loss == pytest.approx(
        mean_absolute_error_hours(weights[0] * said, said / 2, np.ones(10))
    )


@pytest.mark.parametrize("heavy", [0, 1])
def test_what_is_right_of_the_rows_that_stand_for_more_is_chosen(heavy: int) -> None:
    target = np.array([1.0, 4.0])
    trials = [
        Trial(number, Learner.FOREST, OWN_HISTORY, TreeParams(), 0, 1.0, np.full(2, target[number]))
        for number in (0, 1)
    ]
    problem = replace(PROBLEM, space=Space(most_trials=1))
    weight = np.where(np.arange(2) == heavy, 3.0, 1.0)
    choice = choose(trials, target, weight, problem, [OWN_HISTORY])
    assert choice.weights == {heavy: 1.0}
    off = mean_absolute_error_hours(choice.validation_raw, target, np.ones(2))
    assert choice.validation_loss == pytest.approx(off / 2)  # a quarter of the weight, not half


@pytest.mark.parametrize(
    ("space", "chosen"),
    [
        (Space(most_trials=1), 1),
        (Space(most_trials=1, recency_gain=0.005), 1),
        (replace(PROBLEM.space, shrinks=False), 0),
    ],
)
def test_weights_by_age_have_to_earn_their_place(space: Space, chosen: int) -> None:
    """The loss of the trial that weighs recent rows more is one percent smaller."""
    target, params = np.full(4, 3.0), (TreeParams(), TreeParams(half_life_ratio=0.1))
    # Hours of log hours: 100 too many, or 99.
    off = [np.log1p(np.expm1(target) + hours) for hours in (100, 99)]
    trials = [
        Trial(number, Learner.FOREST, OWN_HISTORY, params[number], 0, 1.0, off[number])
        for number in (0, 1)
    ]
    choice = choose(trials, target, np.ones(4), replace(PROBLEM, space=space), [OWN_HISTORY])
    assert choice.weights == {chosen: 1.0}
    assert choice.validation_loss == pytest.approx(100 - chosen)  # without what it has to earn


def test_both_prices_add_up() -> None:
    problem = replace(PROBLEM, space=Space(least_gain=0.01, recency_gain=0.02))
    assert problem.price(100, 3, NO_HALF_LIFE) == pytest.approx(103)
    assert problem.price(100, 3, 0.5) == pytest.approx(105)


def test_what_is_tried_does_not_depend_on_what_weights_by_age_have_to_earn() -> None:
    free, dear = (
        search(_queueing(1), replace(PROBLEM, space=Space(recency_gain=gain)), 8, 0)
        for gain in (0.0, 10.0)
    )
    assert [one.settings for one in free.trials] == [one.settings for one in dear.trials]
    assert {one.params.half_life_ratio for one in dear.members} == {NO_HALF_LIFE}


def test_trees_answer_as_if_rows_were_there_as_often_as_they_stand_for() -> None:
    rng = np.random.default_rng(0)
    is_long = rng.random(_ROWS) < 0.3
    target = np.where(is_long, 8.0, 2.0) + rng.normal(0, 0.1, _ROWS)
    plain = _examples(rng.integers(0, 5, _ROWS), target, rng.normal(size=_ROWS))
    for of, answer in ((plain, 2), (replace(plain, weight=np.where(is_long, 5.0, 1.0)), 8)):
        forest = grow(of, (0, 1), of.everything, TreeParams(), 0)
        booster = boost(of, (0, 1), PROBLEM.objective, TreeParams(), 0, 60)
        rows = of.matrix[:200]
        assert np.median(forest.median(rows)) == pytest.approx(answer, abs=0.5)
        assert np.median(booster.predict(rows)) == pytest.approx(answer, abs=0.5)
        stopped = stop_early(of, (0, 1), PROBLEM.objective, TreeParams(), 0)
        assert np.median(stopped.validation_raw) == pytest.approx(answer, abs=0.5)


def test_validation_rows_count_whatever_their_age() -> None:
    weight = np.linspace(1, 3, _ROWS)
    examples = replace(_queueing(8), weight=weight)
    params = TreeParams(half_life_ratio=0.1)
    to_fit = dataset(examples, (0, 1), examples.fit, params, {}).construct()
    validation = dataset(examples, (0, 1), examples.validation, params, {}, to_fit).construct()
    of_validation = weight[examples.validation]
    np.testing.assert_allclose(
        validation.get_weight(), of_validation / of_validation.mean(), rtol=1e-6
    )
    assert np.ptp(to_fit.get_weight() / weight[examples.fit]) > 1


def test_weights_of_a_search_are_of_the_search_alone() -> None:
    plain = _queueing(7)
    weight = np.where(plain.target > np.median(plain.target), 4.0, 1.0)
    other = replace(plain, search_weight=weight)
    assert plain.searching is plain
    np.testing.assert_array_equal(other.searching.weight, weight)
    fitted = [fit(of, 2, 3) for of in (plain, other, replace(plain, weight=weight))]
    losses = [one.choice.validation_loss for one in fitted]
    assert losses[0] < losses[1] == losses[2]
    margins = [one.constants["margins"] for one in fitted]
    assert margins[0] != margins[1] == margins[2]
    raw = [one.scores["p50"].raw(plain.matrix).mean() for one in fitted]
    assert raw[2] - raw[0] > 5 * abs(raw[1] - raw[0])


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


def test_of_many_rows_to_fit_on_every_nth_workflow_is_left() -> None:
    examples = replace(_queueing(0), workflow=np.arange(_ROWS) // 4)
    thinned = examples.thinned(700)  # of 1,500: every third of 375 workflows
    assert thinned.fit.sum() == 500
    assert set(np.unique(examples.workflow[thinned.fit]) % 3) == {0}
    assert not (thinned.fit & ~examples.fit).any()
    assert thinned.validation is examples.validation
    assert examples.thinned(1_500) is examples


def test_trials_learn_from_some_rows_and_the_chosen_one_from_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grown: list[int] = []

    def stopping(examples: Examples, *of: Any) -> Any:
        grown.append(int(examples.fit.sum()))
        return stop_early(examples, *of)

    def boosting(examples: Examples, *of: Any) -> Any:
        grown.append(int(examples.everything.sum()))
        return boost(examples, *of)

    monkeypatch.setattr("pipelines.learning.search._MOST_ROWS", 700)
    monkeypatch.setattr("pipelines.learning.search.stop_early", stopping)
    monkeypatch.setattr("pipelines.learning.search.boost", boosting)
    examples = replace(_queueing(0), workflow=np.arange(_ROWS) // 4)
    problem = _only(Learner.BOOSTING)
    choice = search(examples, problem, 2, 0)
    train_choice(choice, examples, problem, 0)
    assert grown == [500, 500, *[_ROWS] * len(choice.members)]
