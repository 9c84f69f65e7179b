"""People who hold more work than they have lately been able to finish.

What counts is how long the open tasks would take at the person's pace, against the same person
earlier, against colleagues, and whether more comes in than goes out. Little's law (1961): in a
steady state, tasks held = pace x time held.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from pipelines.contracts import RiskKind
from pipelines.learning.risks.alert import daily, risk_frame

_COLUMNS: Final = ("open_task_count", "completed_count_7d", "completed_count_30d")
_WEEK, _MONTH = 7, 30
_PAST_DAYS: Final = 90
_RECENT_DAYS: Final = 14  # not part of the person's own past
_SLOWEST_PACE: Final = 0.5 / _MONTH  # tasks a day: nothing finished in a month counts as half
_FULL_RATIO: Final = 3.0  # so many times the usual is all the pressure there can be


@dataclass(frozen=True)
class OverloadLimits:
    """Below either of them nobody is overloaded, whatever the comparisons say.

    Less work than `min_clear_days` counts as so much in them: three times next to nothing is
    no load.
    """

    min_open_tasks: int = 5
    min_clear_days: float = 3.0


def overloaded_person(
    person_workload: pd.DataFrame,
    as_of: pd.Timestamp,
    limits: OverloadLimits = OverloadLimits(),
) -> pd.DataFrame:
    """Score how overloaded each person is who holds open tasks.

    The score is the mean of three pressures, each 0 to 1: days to clear against the person's own
    median of the 90 days before the last fortnight, against the median of the others now, and
    tasks that came in during the last week against those that went out.

    Args:
        person_workload: rows of the view `person_workload`; not changed.
        as_of: what was not known by then is not read.
        limits: below which the score is 0.

    Returns:
        See `risk_frame`; one row per person with an open task.

    Raises:
        TrainingError: see `daily`.
    """
    days = daily(person_workload, "person_id", _COLUMNS, as_of, _PAST_DAYS + _RECENT_DAYS)
    open_tasks, done_week, done_month = (days[name] for name in _COLUMNS)
    pace = (done_month / _MONTH).clip(lower=_SLOWEST_PACE)
    clear = open_tasks / pace
    now = pd.DataFrame(
        {
            "open": open_tasks.iloc[-1],
            "clear": clear.iloc[-1],
            "own": clear.iloc[:-_RECENT_DAYS].median(),
            "done": done_week.iloc[-1],
            "came": done_week.iloc[-1] + open_tasks.iloc[-1] - open_tasks.iloc[-1 - _WEEK],
        }
    )
    now = now[now["open"] > 0]
    others = [now["clear"].drop(person).median() for person in now.index]
    now = now.assign(others=np.array(others, dtype=float))
    pressures = pd.DataFrame(
        {
            "own": _pressure(now["clear"] / now["own"].clip(lower=limits.min_clear_days)),
            "others": _pressure(now["clear"] / now["others"].clip(lower=limits.min_clear_days)),
            "inflow": ((now["came"] - now["done"]) / now["done"].clip(lower=1)).clip(0, 1),
        }
    )
    is_enough = (now["open"] >= limits.min_open_tasks) & (now["clear"] >= limits.min_clear_days)
    score = pressures.mean(axis=1).where(is_enough, 0.0).fillna(0.0)
    reasons = [_reason(row) for row in now.itertuples()]
    return risk_frame(
        RiskKind.OVERLOADED_PERSON, now.index.to_list(), score.to_list(), reasons, as_of
    )


def _pressure(ratio: pd.Series) -> pd.Series:
    """Return 0 at the usual, 1 at three times the usual, in logarithmic steps between."""
    steps = np.log(ratio.to_numpy(dtype=float)) / np.log(_FULL_RATIO)
    return pd.Series(np.clip(steps, 0, 1), index=ratio.index)


def _reason(row: Any) -> str:
    told = (
        f"{int(row.open)} open tasks, about {row.clear:.1f} days of work at the pace of the last "
        "30 days"
    )
    if not np.isnan(row.own):
        told += f"; usually {row.own:.1f} days"
    if not np.isnan(row.others):
        told += f", others now {row.others:.1f}"
    if not np.isnan(row.came):
        told += f"; in the last week {max(int(row.came), 0)} came in and {int(row.done)} were done"
    return told + "."
