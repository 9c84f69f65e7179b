import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.split import Part, censoring_weights, split_at, split_by_time

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2024-01-01", tz="UTC")


def _history(lead_days: list[float | None]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One workflow a day; None has not ended."""
    ids = [f"w{i}" for i in range(len(lead_days))]
    opened = [START + i * DAY for i in range(len(lead_days))]
    workflows = pd.DataFrame({"workflow_id": ids, "opened_at": opened})
    ended = [
        (name, at + lead * DAY)
        for name, at, lead in zip(ids, opened, lead_days, strict=True)
        if lead is not None
    ]
    closures = pd.DataFrame(ended, columns=["workflow_id", "closed_at"])
    return workflows, closures.assign(recorded_at=closures["closed_at"])


def test_training_knows_only_what_had_ended_when_the_test_begins() -> None:
    # w0 to w7; the latest quarter of the seven that ended is w6 and w7.
    workflows, closures = _history([1, 1, 5, 1, None, 1.5, 1, 1])
    split = split_by_time(workflows, closures, 0.25, min_train=1, min_test=1)

    assert split.test_start == START + 6 * DAY
    # w2 ends on day 7 and w5 half a day after the test begins; w4 never.
    assert split.parts.to_dict() == {
        "w0": Part.TRAIN,
        "w1": Part.TRAIN,
        "w3": Part.TRAIN,
        "w6": Part.TEST,
        "w7": Part.TEST,
    }
    assert (split.train_count, split.test_count) == (3, 2)
    assert (split.open_at_split_count, split.not_closed_count) == (3, 0)


def test_a_closing_recorded_after_the_split_was_not_known() -> None:
    workflows, closures = _history([1] * 8)
    closures.loc[0, "recorded_at"] = START + 7 * DAY
    split = split_by_time(workflows, closures, 0.25, min_train=1, min_test=1)
    assert "w0" not in split.parts.index
    assert split.open_at_split_count == 2  # and w5, which closes the moment the test begins


def test_the_future_does_not_move_the_past() -> None:
    workflows, closures = _history([1] * 40)
    split = split_by_time(workflows, closures, 0.25, min_train=1, min_test=1)
    later = closures["closed_at"] >= split.test_start
    moved = closures.assign(
        closed_at=closures["closed_at"].where(~later, closures["closed_at"] + 100 * DAY)
    )
    again = split_by_time(workflows, moved, 0.25, min_train=1, min_test=1)
    pd.testing.assert_series_equal(split.parts, again.parts)
    trained = split.parts[split.parts == Part.TRAIN].index
    pd.testing.assert_series_equal(split.weights[trained], again.weights[trained])


def test_long_test_workflows_stand_for_those_that_had_no_time_to_end() -> None:
    # The last ten of forty are the test; w30 takes nine days, the others one.
    workflows, closures = _history([1] * 30 + [9] + [1] * 9)
    split = split_by_time(workflows, closures, 0.25, min_train=1, min_test=1)
    assert split.weights["w30"] == pytest.approx(10 / 2)  # opened early enough: w30 and w31
    assert split.weights["w31"] == pytest.approx(1.0)
    assert set(split.weights.index) == set(split.parts.index)


def test_openings_at_one_instant_stay_on_one_side() -> None:
    workflows, closures = _history([0.5] * 10)
    workflows.loc[5:, "opened_at"] = START + 5 * DAY
    split = split_by_time(workflows, closures, 0.2, min_train=1, min_test=1)
    assert split.test_start == START + 5 * DAY
    assert split.test_count == 5


@pytest.mark.parametrize(
    ("leads", "message"),
    [
        ([None] * 50, r"0 of 50 workflows have ended; at least 30"),
        ([1.0] * 12, r"12 of 12 workflows have ended; at least 30"),
        # All long: nothing had ended when the test begins.
        ([90.0] * 40, r"0 training workflows, at least 30 are needed \(30 of 40"),
    ],
)
def test_too_short_a_history_says_what_is_missing(leads: list[float | None], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        split_by_time(*_history(leads), 0.25)


def test_long_workflows_stand_for_those_still_open() -> None:
    opened = pd.Series([START + i * DAY for i in range(10)])
    lead_time = pd.Series({"short": 1 * DAY, "long": 8 * DAY, "longest": 10 * DAY})
    weights = censoring_weights(opened, lead_time, START + 10 * DAY)
    # A lead time of 1 day is seen of all ten; of 8 days of the three opened by day 2; 10/3.
    assert weights["short"] == pytest.approx(1.0)
    assert weights["long"] == pytest.approx(10 / 3)
    assert weights["longest"] == pytest.approx(5.0)  # one in ten; no workflow stands for more


def test_an_opening_may_stand_for_several() -> None:
    opened = pd.Series([START + i * DAY for i in (0, 9, 1)])
    lead_time = pd.Series({"short": 1 * DAY, "long": 9 * DAY})
    counts = pd.Series([2.0, 1.0, 3.0])
    weights = censoring_weights(opened, lead_time, START + 10 * DAY, counts)
    assert weights.to_dict() == {"short": pytest.approx(1.0), "long": pytest.approx(6 / 5)}


def test_a_split_at_a_moment_takes_what_was_known_by_then() -> None:
    known_days = [1, 30, 5, None, 12, None, 15]  # of workflows opened one a day
    known = pd.DataFrame(
        {
            "workflow_id": [f"w{i}" for i in range(7)],
            "opened_at": [START + i * DAY for i in range(7)],
            "label_known_at": [START + d * DAY if d else pd.NaT for d in known_days],
        }
    )
    split = split_at(known, START + 4 * DAY, min_train=1, min_test=1)
    assert split.parts.to_dict() == {"w0": Part.TRAIN, "w4": Part.TEST, "w6": Part.TEST}
    assert (split.open_at_split_count, split.not_closed_count) == (3, 1)
    # Until day 30, when the last label was known: all three test openings were early enough.
    assert split.weights.to_dict() == {"w0": 1.0, "w4": 1.0, "w6": 1.0}
