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

from pipelines.learning.risks.alert import RiskKind, daily, risk_frame

_COLUMNS: Final = ("open_task_count", "completed_count_30d")
_WEEK, _MONTH = 7, 30
_SLOWEST_PACE: Final = 0.5 / _MONTH


@dataclass(frozen=True)
class TrendLimits:
    """What counts as a bottleneck.

    A growth of `full_growth_ratio` over the weeks (1: doubled) with certainty scores 1; a trend
    of a higher p-value than `max_p_value` scores 0, and so does a shorter queue.
    """

    week_count: int = 8
    max_p_value: float = 0.05
    full_growth_ratio: float = 1.0
    min_queue: int = 5


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
    names, scores, reasons = [], [], []
    for activity in queues.columns:
        queue = _weekly(queues[activity])
        if not queues[activity].iloc[-1] > 0:
            continue
        wait = _weekly(waits[activity])
        trends = [_trend(queue), _trend(wait)]
        is_enough = queue[-1] >= limits.min_queue
        names.append(activity)
        scores.append(float(np.mean([of.score(limits) for of in trends])) if is_enough else 0.0)
        reasons.append(_reason(queue, wait, trends, limits))
    return risk_frame(RiskKind.BOTTLENECK_ACTIVITY, names, scores, reasons, as_of)


def _weekly(values: pd.Series) -> npt.NDArray[np.float64]:
    """Return the medians of whole weeks, the last ending with the last day."""
    weeks = values.to_numpy(dtype=float).reshape(-1, _WEEK)
    return np.asarray(np.median(weeks, axis=1))


def _trend(weekly: npt.NDArray[np.float64]) -> _Trend:
    weeks = np.arange(len(weekly))
    if not np.isfinite(weekly).all() or np.ptp(weekly) == 0:
        return _Trend(0.0, 1.0)  # too young, or always the same
    slope, _, _, _ = theilslopes(weekly, weeks)
    p_value = kendalltau(weeks, weekly, alternative="greater").pvalue
    half = max(len(weekly) // 2, 1)
    level = max(float(np.median(weekly[:half])), 1.0)
    return _Trend(float(slope) * (len(weekly) - 1) / level, float(p_value))


def _reason(
    queue: npt.NDArray[np.float64],
    wait: npt.NDArray[np.float64],
    trends: list[_Trend],
    limits: TrendLimits,
) -> str:
    parts = []
    for what, weekly, unit, trend in (
        ("the queue", queue, "tasks", trends[0]),
        ("the wait", wait, "days", trends[1]),
    ):
        if trend.score(limits) > 0:
            told = f"grows: {weekly[0]:.1f} to {weekly[-1]:.1f} {unit}"
            parts.append(f"{what} {told} in {len(weekly)} weeks (p = {trend.p_value:.3f})")
        else:
            parts.append(f"{what} shows no trend ({weekly[-1]:.1f} {unit})")
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."
