"""How far predicted task durations are from what happened, in minutes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.learning.metrics import Metrics, pinball

Values = npt.NDArray[np.float64]

ANSWERS: Final = ("median", "low80", "high80", "low90", "high90")
INTERVALS: Final = {"80": 0.8, "90": 0.9}
_MINUTE_S: Final = 60.0
_LEAST_OF_ACTIVITY: Final = 100


@dataclass(frozen=True)
class Figures:
    """Measures over all test tasks, and how often the intervals cover by activity."""

    metrics: Metrics
    by_activity: Sequence[Mapping[str, float | str]] = field(repr=False)


def figures(actual_s: Values, answers: pd.DataFrame, activity: npt.NDArray[np.object_]) -> Figures:
    """Measure answers against the durations of the same tasks.

    The ends of the 80 % interval are taken for the 10 % and 90 % quantiles. The interval score
    (Gneiting and Raftery, 2007) is the width and 2 / miss times what lies outside: it is least
    for the true quantiles, and neither narrow nor wide intervals can cheat it.

    Args:
        actual_s: seconds.
        answers: `ANSWERS` in seconds.
        activity: of each task; those with fewer than 100 are left out of `by_activity`.
    """
    actual = actual_s / _MINUTE_S
    minutes = {name: answers[name].to_numpy(dtype=float) / _MINUTE_S for name in ANSWERS}
    error = np.abs(minutes["median"] - actual)
    metrics: Metrics = {
        "mae_minutes": float(error.mean()),
        "median_absolute_error_minutes": float(np.median(error)),
        "pinball_p10_minutes": pinball(actual, minutes["low80"], 0.1),
        "pinball_p50_minutes": pinball(actual, minutes["median"], 0.5),
        "pinball_p90_minutes": pinball(actual, minutes["high80"], 0.9),
    }
    rows = pd.DataFrame({"activity": activity})
    for name, coverage in INTERVALS.items():
        low, high = minutes[f"low{name}"], minutes[f"high{name}"]
        outside = np.maximum(low - actual, 0) + np.maximum(actual - high, 0)
        rows[f"coverage_{name}_ratio"] = (outside == 0).astype(float)
        rows[f"width_{name}_minutes"] = high - low
        metrics |= {
            f"coverage_{name}_ratio": float((outside == 0).mean()),
            f"width_{name}_minutes": float((high - low).mean()),
            f"median_width_{name}_minutes": float(np.median(high - low)),
            f"interval_score_{name}_minutes": float(
                (high - low + 2 / (1 - coverage) * outside).mean()
            ),
        }
    grouped = rows.groupby("activity")
    sizes = grouped.size()
    means = grouped.mean()[sizes >= _LEAST_OF_ACTIVITY]
    return Figures(metrics, [_row(str(name), int(sizes[name]), means) for name in means.index])


def _row(name: str, task_count: int, means: pd.DataFrame) -> dict[str, float | str]:
    row: dict[str, float | str] = {"activity": name, "task_count": task_count}
    for column in means.columns:
        row[str(column)] = float(means[column].to_numpy()[means.index.get_loc(name)])
    return row
