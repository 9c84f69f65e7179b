"""Activities whose queue and waiting time keep growing.

A trend is looked for in weekly medians, by the test of Mann (1945) and Kendall: days resemble
the days before them, and a test on them would find trends everywhere. How steep it is says the
median of all slopes (Theil, 1950; Sen, 1968), which a few odd weeks do not move.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import kendalltau, theilslopes

from pipelines.contracts import RiskKind
from pipelines.learning.risks.alert import daily, risk_frame

_COLUMNS: Final = ("open_task_count", "completed_count_30d")
_WEEK, _MONTH = 7, 30
_SLOWEST_PACE: Final = 0.5 / _MONTH
_LEAST_TOLD: Final = 0.001


@dataclass(frozen=True)
class TrendLimits:
    """What counts as a bottleneck.

    A growth of `full_growth_ratio` over the weeks (1: doubled) scores 1; a trend that may be
    chance scores 0, and so does a shorter queue than `min_queue`. Growth is measured from the
    level it began at, and that counts as at least `min_queue` or `min_wait_days`: short queues
    double every other week.
    """

    week_count: int = 8
    max_p_value: float = 0.05
    full_growth_ratio: float = 1.0
    min_queue: int = 10
    min_wait_days: float = 2.0


@dataclass(frozen=True)
class _Trend:
    growth_ratio: float  # over all weeks, of the level they began at
    p_value: float  # of no growth, one-sided

    def score(self, limits: TrendLimits) -> float:
        if not self.p_value <= limits.max_p_value:
            return 0.0
        return float(np.clip(self.growth_ratio / limits.full_growth_ratio, 0, 1))


def bottleneck_activity(
    activity_stats: pd.DataFrame,
    as_of: pd.Timestamp,
    limits: TrendLimits = TrendLimits(),
) -> pd.DataFrame:
    """Score how much of a bottleneck each activity is becoming.

    The score is the mean of two growths, each 0 to 1: of the queue (tasks open at the day's end)
    and of the waiting time that the queue means at the activity's pace (Little's law: queue over
    tasks completed a day). Growing demand alone lengthens the queue and not the wait.

    Args:
        activity_stats: rows of the view `activity_stats`; not changed.
        as_of: what was not known by then is not read.
        limits: how many weeks, how sure, how steep.

    Returns:
        See `risk_frame`; one row per activity with an open task.

    Raises:
        TrainingError: see `daily`.
    """
    days = daily(activity_stats, "activity", _COLUMNS, as_of, _WEEK * limits.week_count)
    queues, done = (days[name] for name in _COLUMNS)
    waits = queues / (done / _MONTH).clip(lower=_SLOWEST_PACE)
    queues = queues.loc[:, queues.iloc[-1] > 0]
    scores, reasons = [], []
    for activity in queues.columns:
        queue, wait = _weekly(queues[activity]), _weekly(waits[activity])
        trends = (_trend(queue, limits.min_queue), _trend(wait, limits.min_wait_days))
        growths = [of.score(limits) for of in trends]
        scores.append(float(np.mean(growths)) if queue[-1] >= limits.min_queue else 0.0)
        reasons.append(_reason(queue, wait, trends, growths))
    return risk_frame(
        RiskKind.BOTTLENECK_ACTIVITY, queues.columns.to_list(), scores, reasons, as_of
    )


def _weekly(values: pd.Series) -> npt.NDArray[np.float64]:
    """Return the medians of whole weeks, the last ending with the last day."""
    weeks = values.to_numpy(dtype=float).reshape(-1, _WEEK)
    return np.asarray(np.median(weeks, axis=1))


def _trend(weekly: npt.NDArray[np.float64], least_level: float) -> _Trend:
    weeks = np.arange(len(weekly))
    if not np.isfinite(weekly).all() or np.ptp(weekly) == 0:
        return _Trend(0.0, 1.0)  # too young, or always the same
    slope, _, _, _ = theilslopes(weekly, weeks)
    p_value = kendalltau(weeks, weekly, alternative="greater").pvalue
    half = max(len(weekly) // 2, 1)
    level = max(float(np.median(weekly[:half])), least_level)
    return _Trend(float(slope) * (len(weekly) - 1) / level, float(p_value))


def _reason(
    queue: npt.NDArray[np.float64],
    wait: npt.NDArray[np.float64],
    trends: tuple[_Trend, _Trend],
    growths: list[float],
) -> str:
    parts = []
    for what, weekly, unit, trend, growth in zip(
        ("the queue", "the wait"), (queue, wait), ("tasks", "days"), trends, growths, strict=True
    ):
        if growth > 0:
            told = f"grew from {weekly[0]:.1f} to {weekly[-1]:.1f} {unit}"
            parts.append(f"{what} {told} in {len(weekly)} weeks ({_told(trend.p_value)})")
        else:
            parts.append(f"{what} shows no trend ({weekly[-1]:.1f} {unit} now)")
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."


def _told(p_value: float) -> str:
    return f"p = {p_value:.3f}" if p_value >= _LEAST_TOLD else "p < 0.001"
