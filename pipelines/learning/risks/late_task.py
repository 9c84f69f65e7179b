"""Probability that an open task ends late, from how long such tasks have taken.

No trees: an activity's times and the task's own age already say most of it, and the answer is a
share that anybody can check. Open tasks count for what they are, not ended yet (Kaplan and Meier,
1958): leaving them out would make every activity look quicker than it is.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import CensoredData, ecdf

from pipelines.contracts import RiskKind
from pipelines.errors import TrainingError
from pipelines.learning.columns import require_columns
from pipelines.learning.risks.alert import risk_frame

Values = npt.NDArray[np.float64]

_COLUMNS: Final = ("task_id", "activity", "created_at", "completed_at", "cancelled_at", "due_at")
_DAY_S: Final = 86_400.0
_PRIOR_TASKS: Final = 20.0  # how many tasks of any activity an activity's own are drawn towards
_LEAST_TASKS: Final = 30


@dataclass(frozen=True)
class _Sojourns:
    """Survival of tasks: the share that lasts longer than so many days."""

    days: Values  # where it falls
    survival: Values
    at_risk: Values  # tasks that lasted to that day
    count: int

    def longer_than(self, days: float) -> float:
        place = int(np.searchsorted(self.days, days, side="right")) - 1
        return 1.0 if place < 0 else float(self.survival[place])

    def count_at(self, days: float) -> float:
        place = int(np.searchsorted(self.days, days, side="right"))
        return float(self.at_risk[place]) if place < len(self.at_risk) else 0.0

    def quantile(self, ratio: float) -> float:
        reached = np.flatnonzero(self.survival <= 1 - ratio)
        return float(self.days[reached[0] if len(reached) else -1])


def late_task(
    tasks: pd.DataFrame,
    as_of: pd.Timestamp,
    *,
    late_quantile: float = 0.8,
    history_days: int = 60,
) -> pd.DataFrame:
    """Score how probable it is that each open task ends late.

    Late is after its due date or, where it has none, beyond the `late_quantile` of its activity's
    sojourn times. The share of the activity's tasks that, having lasted as long as this one, lasted
    beyond that moment is drawn towards the share of all tasks by twenty tasks.

    Args:
        tasks: task_id, activity, created_at, completed_at, cancelled_at, due_at, each as known
            at `as_of`: an end or a beginning after it is not read. Not changed.
        as_of: moment of the answer.
        late_quantile: between 0 and 1.
        history_days: only tasks begun so lately tell how long tasks take now, where there are
            enough of them.

    Returns:
        See `risk_frame`; one row per open task.

    Raises:
        TrainingError: a column is missing, the quantile is none, or fewer than 30 tasks had begun.
    """
    if not 0 < late_quantile < 1:
        raise TrainingError(f"late_quantile must lie between 0 and 1; got {late_quantile}.")
    require_columns(tasks, _COLUMNS, "tasks")
    begun = tasks[tasks["created_at"] <= as_of]
    ended_at = begun["completed_at"].fillna(begun["cancelled_at"])
    is_open = ended_at.isna() | (ended_at > as_of)
    # A cancelled task is one that was not seen to its end.
    is_done = ~is_open & begun["completed_at"].notna()
    until = ended_at.where(~is_open, as_of)
    days = (until - begun["created_at"]).dt.total_seconds() / _DAY_S
    if len(begun) < _LEAST_TASKS or not is_done.any():
        raise TrainingError(
            f"{len(begun)} tasks had begun by {as_of:%Y-%m-%d %H:%M}, {int(is_done.sum())} of them "
            f"were done; at least {_LEAST_TASKS} are needed: import a longer history."
        )
    recent = begun[begun["created_at"] >= as_of - pd.Timedelta(days=history_days)]
    if len(recent) < _LEAST_TASKS or not is_done[recent.index].any():
        recent = begun
    everyone = _sojourns(days[recent.index], is_done[recent.index])
    own = {
        activity: _sojourns(days[index], is_done[index])
        for activity, index in recent.groupby("activity").groups.items()
        if is_done[index].any()
    }
    open_tasks = begun[is_open].assign(age=days[is_open])
    scores, reasons = [], []
    task: Any  # a row
    for task in open_tasks.itertuples():
        sojourns = own.get(task.activity, everyone)
        limit = _limit_days(task, sojourns, late_quantile)
        probability = _beyond(limit, task.age, sojourns, everyone)
        scores.append(probability)
        reasons.append(
            _reason(task, limit, probability, sojourns, has_due=not pd.isna(task.due_at))
        )
    return risk_frame(RiskKind.LATE_TASK, open_tasks["task_id"].to_list(), scores, reasons, as_of)


def _sojourns(days: pd.Series, is_done: pd.Series) -> _Sojourns:
    sample = CensoredData(days[is_done].to_numpy(), right=days[~is_done].to_numpy())
    survival = ecdf(sample).sf
    ordered = np.sort(days.to_numpy())
    at_risk = len(ordered) - np.searchsorted(ordered, survival.quantiles, side="left")
    return _Sojourns(
        survival.quantiles, survival.probabilities, at_risk.astype(float), int(is_done.sum())
    )


def _limit_days(task: Any, sojourns: _Sojourns, late_quantile: float) -> float:
    if pd.isna(task.due_at):
        return sojourns.quantile(late_quantile)
    return float((task.due_at - task.created_at).total_seconds()) / _DAY_S


def _beyond(limit: float, age: float, own: _Sojourns, everyone: _Sojourns) -> float:
    """Return the probability of lasting beyond the limit, having lasted so long."""
    if age >= limit:
        return 1.0
    shares, weights = [], []
    for of, weight in ((own, own.count_at(age)), (everyone, _PRIOR_TASKS)):
        still = of.longer_than(age)
        # Nobody has lasted so long: whether one more day is too long, nothing can tell.
        shares.append(of.longer_than(limit) / still if still > 0 else 0.5)
        weights.append(weight)
    return float(np.average(shares, weights=weights))


def _reason(
    task: Any, limit: float, probability: float, sojourns: _Sojourns, *, has_due: bool
) -> str:
    age, activity = task.age, task.activity
    goal = "its due date" if has_due else f"the usual limit of {limit:.1f} days"
    if age >= limit:
        return f"{activity!r} has been open for {age:.1f} days, {age - limit:.1f} beyond {goal}."
    return (
        f"{activity!r} has been open for {age:.1f} days and has "
        f"{limit - age:.1f} left until {goal}; "
        f"{probability:.0%} of such tasks, open for so long, took longer "
        f"({sojourns.count:,} were done)."
    )
