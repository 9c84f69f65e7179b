"""Intervals that follow the days: calibrated each morning on the outcomes known by then.

What has been predicted and has come true since is the nearest there is to what comes next, so
its latest rows calibrate better than those a model was once trained with where work changes.
Weighing the past by its age is the idea of conformal prediction beyond exchangeability (Barber,
Candes, Ramdas and Tibshirani, 2023); here a row counts or does not.

While work goes on changing, even the latest outcomes are those of before. So what the intervals
are asked to cover follows what they did cover: adaptive conformal inference (Gibbs and Candes,
2021), a step a day, which holds the coverage in the long run whatever changes.
"""

from typing import Final

import numpy as np
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.intervals import Values, calibrate

LATEST_ROWS: Final = 1_000  # of each group
_STEP_OF_ROW: Final = 0.0005  # how far one outcome moves the share that may be missed
_LONGEST_STEP: Final = 0.05  # so many outcomes a day say little more than a hundred
_MISSES: Final = (0.01, 0.5)  # the share stays between


def recalibrated_daily(
    predicted: pd.DataFrame, first_day: pd.Timestamp, coverage: float
) -> tuple[Values, Values]:
    """Widen the intervals of each day by what the intervals of before had missed.

    Args:
        predicted: as_of, ended_at (when the outcome became known; missing where it did not),
            lower, upper, actual (scores), group; in any order. Rows before `first_day` serve
            to calibrate only. The bounds of a row must not have been learned from it.
        first_day: midnight of the first day to answer for.
        coverage: share of rows to cover, between 0 and 1.

    Returns:
        Lower and upper ends of all rows, in the frame's order; those of the days before are
        as they were.

    Raises:
        TrainingError: too few outcomes are known on the first day.
    """
    days, ended_at = predicted["as_of"].dt.floor("D"), predicted["ended_at"]
    lower, upper = predicted["lower"].to_numpy().copy(), predicted["upper"].to_numpy().copy()
    actual, group = predicted["actual"].to_numpy(), predicted["group"].to_numpy(dtype=object)
    by_end = predicted.sort_values("ended_at", kind="stable")
    is_answered = days >= first_day
    miss_ratio, morning = 1 - coverage, first_day
    for day in np.sort(days[is_answered].unique()):
        known = by_end[by_end["ended_at"] < day].groupby("group", sort=False).tail(LATEST_ROWS)
        if known.empty:
            raise TrainingError(f"No outcome is known on {pd.Timestamp(day):%Y-%m-%d}.")
        told = (is_answered & (ended_at >= morning) & (ended_at < day)).to_numpy()
        if told.any():
            missed = (actual[told] < lower[told]) | (actual[told] > upper[told])
            step = min(_STEP_OF_ROW * told.sum(), _LONGEST_STEP)
            miss_ratio += step * (1 - coverage - float(missed.mean()))
            # Few outcomes cannot tell how wide nearly everything would be.
            miss_ratio = float(np.clip(miss_ratio, max(_MISSES[0], 2 / len(known)), _MISSES[1]))
        margins = calibrate(
            known["lower"].to_numpy(),
            known["upper"].to_numpy(),
            known["actual"].to_numpy(),
            known["group"].to_numpy(dtype=object),
            1 - miss_ratio,
            symmetric=True,
        )
        rows = (days == day).to_numpy()
        lower[rows], upper[rows] = margins.widen(lower[rows], upper[rows], group[rows])
        morning = day
    return lower, upper
