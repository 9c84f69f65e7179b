import numpy as np
import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.examples import Examples
from pipelines.learning.fit_encoder import fit_encoder
from pipelines.learning.holdout import held_out_examples, hold_out

START = pd.Timestamp("2024-01-01", tz="UTC")
DAY = pd.Timedelta(days=1)


def rows(lead_days: list[float], ended_by: float = np.inf) -> pd.DataFrame:
    """One row at the opening of each workflow that ends by some day; one opens a day."""
    seconds = np.array(lead_days) * 86_400.0
    opened = np.arange(len(lead_days))
    frame = pd.DataFrame(
        {
            "workflow_id": [f"w{n:03d}" for n in opened],
            "as_of": START + pd.to_timedelta(opened, unit="D"),
            "label_known_at": START + pd.to_timedelta(opened + np.array(lead_days), unit="D"),
            "label_wait_s": seconds,
            "censoring_weight": 1.0,
        }
    )
    return frame[opened + np.array(lead_days) <= ended_by].reset_index(drop=True)


def test_those_to_fit_on_had_ended_before_the_first_to_validate_on_opened() -> None:
    # 200 days; every fifth workflow takes 30 days, the others one.
    train = rows([30 if n % 5 == 0 else 1 for n in range(200)])
    held = hold_out(train)
    opened = train["as_of"]
    closed = opened + pd.to_timedelta(train["label_wait_s"], unit="s")
    assert closed[held.fit].max() < opened[held.validation].min()
    assert opened[held.fit].max() < opened[held.validation].min()
    assert held.validation.sum() == 40
    assert 120 < held.fit.sum() < 160


def test_who_validates_had_time_to_end() -> None:
    # Every fifth workflow takes 30 days; the period ends on day 200, and w170 is the last that had.
    train = rows([30 if n % 5 == 0 else 1 for n in range(200)], ended_by=200)
    held = hold_out(train)
    opened, is_long = train["as_of"], train["label_wait_s"] > 2 * 86_400
    assert opened[held.validation].max() == START + 170 * DAY
    assert is_long[held.validation].mean() == pytest.approx(1 / 5, abs=0.03)
    # Of the latest opened fifth of all that had ended, few had been able to be long.
    assert is_long[opened >= START + 160 * DAY].mean() < 0.1
    # Those to fit on ended in time; the long ones stand for the long ones that did not.
    stands_for = train.assign(weight=held.weight)[held.fit].groupby(is_long)["weight"]
    assert stands_for.max()[True] > 1.2
    assert stands_for.sum()[True] / held.weight[held.fit].sum() == pytest.approx(1 / 5, abs=0.02)


def test_a_row_that_counts_more_makes_the_wait_longer() -> None:
    # One workflow in twenty takes 40 days: nine in ten take one, unless it stands for three.
    train = rows([40 if n % 20 == 0 else 1 for n in range(200)], ended_by=200)
    last = train["as_of"][hold_out(train).validation].max()
    heavy = train.assign(censoring_weight=np.where(train["label_wait_s"] > 86_400, 3.0, 1.0))
    assert last == START + 199 * DAY
    assert train["as_of"][hold_out(heavy).validation].max() == START + 160 * DAY


def test_what_validates_stands_for_the_few_that_had_not_ended() -> None:
    # One workflow in twenty takes 20 days: it need not have ended for others to validate.
    train = rows([20 if n % 20 == 0 else 1 for n in range(200)], ended_by=200)
    held = hold_out(train)
    weights = pd.Series(held.weight[held.validation])
    is_long = (train["label_wait_s"] > 86_400).to_numpy()[held.validation]
    assert weights[~is_long].max() < 1.1
    assert 1.5 < weights[is_long].min() <= 5
    assert (held.weight[~held.fit & ~held.validation] == 1).all()
    # The more were opened too late for a long one to have ended, the more it stands for.
    is_late = train["as_of"] > START + 180 * DAY
    busier = hold_out(train.assign(censoring_weight=np.where(is_late, 3.0, 1.0)))
    assert busier.weight[held.validation][is_long].min() > weights[is_long].min()


def test_no_more_than_a_third_of_the_period_is_waited_for() -> None:
    # Half of the workflows take 180 days, of a period of 299; the others open on even days.
    train = rows([180 if n % 2 else 1 for n in range(400)], ended_by=300)
    assert train["as_of"][hold_out(train).validation].max() == START + 198 * DAY


def test_a_short_history_does_not_wait() -> None:
    train = rows([30 if n % 5 == 0 else 1 for n in range(110)], ended_by=110)
    held = hold_out(train)
    assert held.validation.sum() == 21
    assert train["as_of"][held.validation].max() == START + 109 * DAY


def test_where_all_overlap_the_earlier_opened_are_fitted_on() -> None:
    train = rows([400] * 360)
    held = hold_out(train)
    opened = train["as_of"]
    assert held.fit.sum() > 200
    assert opened[held.fit].max() < opened[held.validation].min()
    assert (held.weight == 1).all()


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(TrainingError, match="8 training rows to validate on, at least 20"):
        hold_out(rows([1] * 40))


def test_no_row_to_fit_on_is_later_than_the_first_to_validate_on() -> None:
    # It is known at once of every workflow that it is late; each goes on for 60 days.
    train = rows([1] * 200)
    later = train.assign(as_of=train["as_of"] + 60 * DAY)
    both = pd.concat([train, later], ignore_index=True)
    held = hold_out(both)
    start = both["as_of"][held.validation].min()
    assert both["as_of"][held.fit].max() < start
    assert (later["as_of"].to_numpy()[held.fit[200:]] < start).all()
    assert held.fit[200:].sum() > 50


def of_classes(is_late: np.ndarray) -> Examples:
    train = rows([1] * len(is_late)).assign(steps=np.arange(len(is_late)) % 7)
    return held_out_examples(train, fit_encoder(train), is_late.astype(float), has_classes=True)


def test_both_classes_on_both_sides_are_held_out_by_time() -> None:
    examples = of_classes(np.arange(200) % 3 == 0)
    assert np.flatnonzero(examples.fit).max() < np.flatnonzero(examples.validation).min()


def test_where_one_side_has_one_class_every_fifth_workflow_chooses() -> None:
    examples = of_classes(np.arange(200) >= 180)  # late is a thing of the last days alone
    assert np.flatnonzero(examples.validation).tolist() == list(range(4, 200, 5))
    assert (examples.fit == ~examples.validation).all()
    assert {0.0, 1.0} == set(examples.target[examples.validation])
