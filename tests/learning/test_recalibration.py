import numpy as np
import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.recalibration import recalibrated_daily

_FIRST = pd.Timestamp("2024-03-10", tz="UTC")


def drifting(seed: int = 0) -> pd.DataFrame:
    """A hundred rows an hour, known an hour later, for six days; the noise trebles on the third."""
    rng = np.random.default_rng(seed)
    hours = np.repeat(np.arange(24 * 6), 100)
    as_of = _FIRST - pd.Timedelta(days=1) + pd.to_timedelta(hours, unit="h")
    noise = np.where(hours < 48, 1.0, 3.0)
    return pd.DataFrame(
        {
            "as_of": as_of,
            "ended_at": as_of + pd.Timedelta(hours=1),
            "lower": -1.0,
            "upper": 1.0,
            "actual": rng.normal(0, noise),
            "group": rng.choice(["a", "b"], len(hours)),
        }
    )


def covered(frame: pd.DataFrame, ends: tuple[np.ndarray, np.ndarray]) -> pd.Series:
    is_in = (ends[0] <= frame["actual"]) & (frame["actual"] <= ends[1])
    return is_in.groupby(frame["as_of"].dt.floor("D")).mean()


def test_intervals_cover_again_the_day_after_work_changed() -> None:
    frame = drifting()
    shares = covered(frame, recalibrated_daily(frame, _FIRST, 0.9)).to_numpy()
    assert shares[0] == pytest.approx(0.68, abs=0.03)  # before the first day: as they were
    assert shares[1] == pytest.approx(0.9, abs=0.02)
    assert shares[2] < 0.5  # nobody knew
    assert shares[3:] == pytest.approx([0.92] * 3, abs=0.02)  # and a little wider than before


def test_what_goes_on_changing_is_followed() -> None:
    rng = np.random.default_rng(0)
    days = np.repeat(np.arange(120), 50)
    as_of = _FIRST - pd.Timedelta(days=20) + pd.to_timedelta(days, unit="D")
    noise = np.where(days < 20, 1.0, 1.03 ** (days - 20))
    frame = pd.DataFrame(
        {
            "as_of": as_of,
            "ended_at": as_of + pd.Timedelta(days=3),
            "lower": -1.0,
            "upper": 1.0,
            "actual": rng.normal(0, noise),
            "group": "a",
        }
    )
    lower, upper = recalibrated_daily(frame, _FIRST, 0.9)
    is_in = (lower <= frame["actual"]) & (frame["actual"] <= upper)
    # It takes some weeks to find out; the latest outcomes alone cover three in four all the time.
    assert is_in[as_of >= _FIRST + pd.Timedelta(days=50)].mean() == pytest.approx(0.9, abs=0.02)


def test_outcomes_not_known_in_the_morning_move_nothing() -> None:
    frame = drifting()
    day = _FIRST + pd.Timedelta(days=3)
    changed = frame.assign(
        actual=frame["actual"].where(frame["ended_at"] < day, 1_000.0),
        ended_at=frame["ended_at"].where(frame["ended_at"] < day),
    )
    until = (frame["as_of"] < day + pd.Timedelta(days=1)).to_numpy()
    for end, same in zip(
        recalibrated_daily(frame, _FIRST, 0.9),
        recalibrated_daily(changed, _FIRST, 0.9),
        strict=True,
    ):
        np.testing.assert_array_equal(end[until], same[until])
    # A single outcome known in time does move them.
    frame.loc[frame.index[frame["ended_at"] < day][-500:], "actual"] = 1_000.0
    assert (recalibrated_daily(frame, _FIRST, 0.9)[1][until] != end[until]).any()


def test_a_first_day_without_any_outcome_is_refused() -> None:
    with pytest.raises(TrainingError, match="No outcome is known on 2024-03-09"):
        recalibrated_daily(drifting(), _FIRST - pd.Timedelta(days=1), 0.9)
