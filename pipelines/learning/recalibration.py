"""Intervals that follow the days: calibrated each morning on the outcomes known by then.

What has been predicted and has come true since is the nearest there is to what comes next, so
its latest rows calibrate better than those a model was once trained with where work changes.
Weighing the past by its age is the idea of conformal prediction beyond exchangeability (Barber,
Candes, Ramdas and Tibshirani, 2023); here a row counts or does not.
"""

from typing import Final

import numpy as np
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.intervals import Values, calibrate

LATEST_ROWS: Final = 1_000  # of each group


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
    days = predicted["as_of"].dt.floor("D")
    lower, upper = predicted["lower"].to_numpy().copy(), predicted["upper"].to_numpy().copy()
    group = predicted["group"].to_numpy(dtype=object)
    by_end = predicted.sort_values("ended_at", kind="stable")
    for day in np.sort(days[days >= first_day].unique()):
        known = by_end[by_end["ended_at"] < day].groupby("group", sort=False).tail(LATEST_ROWS)
        if known.empty:
            raise TrainingError(f"No outcome is known on {pd.Timestamp(day):%Y-%m-%d}.")
        margins = calibrate(
            known["lower"].to_numpy(),
            known["upper"].to_numpy(),
            known["actual"].to_numpy(),
            known["group"].to_numpy(dtype=object),
            coverage,
            symmetric=True,
        )
        rows = (days == day).to_numpy()
        lower[rows], upper[rows] = margins.widen(lower[rows], upper[rows], group[rows])
    return lower, upper
