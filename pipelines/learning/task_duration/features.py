"""What was known when a task's span began: its person, its activity and its workflow so far."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from pipelines.learning.columns import AS_OF, WORKFLOW_ID, base_name

TASK_ACTIVITY: Final = "task_activity"
TASK_PERSON: Final = "task_person_id"
_PROGRESS: Final = "workflow_progress__"
_MEDIAN, _LOW, _HIGH = 0.5, 0.1, 0.9

# Durations that had ended before: keys, how many of the latest, which quantile of them.
_RECENT: Final[Sequence[tuple[str, list[str], int, float]]] = (
    ("person_activity_last_duration_s", ["person_id", "activity"], 1, _MEDIAN),
    ("person_activity_last_5_median_s", ["person_id", "activity"], 5, _MEDIAN),
    ("person_activity_last_20_median_s", ["person_id", "activity"], 20, _MEDIAN),
    ("person_activity_last_20_p10_s", ["person_id", "activity"], 20, _LOW),
    ("person_activity_last_20_p90_s", ["person_id", "activity"], 20, _HIGH),
    ("person_last_duration_s", ["person_id"], 1, _MEDIAN),
    ("person_last_5_median_s", ["person_id"], 5, _MEDIAN),
    ("person_last_20_median_s", ["person_id"], 20, _MEDIAN),
    ("activity_last_5_median_s", ["activity"], 5, _MEDIAN),
    ("activity_last_50_median_s", ["activity"], 50, _MEDIAN),
    ("activity_last_50_p10_s", ["activity"], 50, _LOW),
    ("activity_last_50_p90_s", ["activity"], 50, _HIGH),
    ("workflow_last_duration_s", [WORKFLOW_ID], 1, _MEDIAN),
    ("workflow_last_5_median_s", [WORKFLOW_ID], 5, _MEDIAN),
    ("workflow_activity_last_duration_s", [WORKFLOW_ID, "activity"], 1, _MEDIAN),
)
# The time since the last such moment before.
_SINCE: Final[Sequence[tuple[str, list[str], str]]] = (
    ("since_person_left_s", ["person_id"], "left_at"),
    ("since_person_began_s", ["person_id"], AS_OF),
    ("since_person_activity_s", ["person_id", "activity"], "left_at"),
    ("since_workflow_left_s", [WORKFLOW_ID], "left_at"),
)
# How many spans had begun before, and how many of them had not ended.
_BEGUN: Final[Sequence[tuple[str, list[str]]]] = (
    ("person_begun_count", ["person_id"]),
    ("person_day_begun_count", ["person_id", "day"]),
    ("person_activity_begun_count", ["person_id", "activity"]),
    ("workflow_begun_count", [WORKFLOW_ID]),
    ("workflow_activity_begun_count", [WORKFLOW_ID, "activity"]),
)
_OPEN: Final[Sequence[tuple[str, list[str]]]] = (
    ("person_open_count", ["person_id"]),
    ("workflow_open_count", [WORKFLOW_ID]),
    ("activity_open_count", ["activity"]),
    ("open_count", []),
)


def task_features(spans: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """Compute the features of each span from what had happened before its `as_of`.

    Args:
        spans: of `task_spans`; not changed.
        events: workflow_id, as_of and the view `workflow_progress` at each event, as
            `training_set` names its columns.

    Returns:
        task_id, workflow_id, as_of, ended_at and duration_s of the spans, row by row, and the
        features; a time that only the future tells is missing. What is known at the very moment
        of `as_of` is not used: a task that ends as it begins would tell its duration.
    """
    moments = spans.assign(day=spans[AS_OF].dt.floor("D"), row=np.arange(len(spans)))
    as_of = moments[AS_OF]
    features: dict[str, Any] = {
        TASK_ACTIVITY: spans["activity"],
        TASK_PERSON: spans["person_id"].where(spans["person_id"] != ""),
        "hour": as_of.dt.hour + as_of.dt.minute / 60,
        "weekday": as_of.dt.weekday,
        "waited_s": spans["waited_s"],
    }
    ended = moments.dropna(subset="duration_s").sort_values(["ended_at", "row"])
    ended = ended.assign(person_id=ended["done_by"])
    for name, keys, count, quantile in _RECENT:
        rolling = ended.groupby(keys, sort=False)["duration_s"].rolling(count, min_periods=1)
        recent = rolling.quantile(quantile).droplevel(list(range(len(keys))))
        known = ended[[*keys, "ended_at"]].assign(value=recent)
        features[name] = _latest(moments, known, keys, "ended_at")
    for name, keys, moment in _SINCE:
        known = moments[[*keys, moment]].assign(value=moments[moment])
        features[name] = (as_of - _latest(moments, known, keys, moment)).dt.total_seconds()
    for name, keys in _BEGUN:
        features[name] = _count(moments, keys, AS_OF)
    for name, keys in _OPEN:
        features[name] = _count(moments, keys, AS_OF) - _count(moments, keys, "left_at")
    kept = spans[["task_id", WORKFLOW_ID, AS_OF, "ended_at", "duration_s"]]
    return pd.concat([kept.assign(**features), _progress(moments, events)], axis=1)


def _latest(moments: pd.DataFrame, known: pd.DataFrame, keys: list[str], at: str) -> pd.Series:
    """Return the value known last before each moment, of the same keys."""
    known = known.dropna(subset=at).rename(columns={at: "known_at"})
    found = pd.merge_asof(
        moments[["row", *keys, AS_OF]],
        known[[*keys, "known_at", "value"]].sort_values("known_at", kind="stable"),
        left_on=AS_OF,
        right_on="known_at",
        by=keys or None,
        allow_exact_matches=False,
    )
    return found["value"]


def _count(moments: pd.DataFrame, keys: list[str], at: str) -> pd.Series:
    """Count what had happened before each moment, of the same keys."""
    known = moments[[*keys, at]].dropna(subset=at).sort_values(at, kind="stable")
    numbers = known.groupby(keys).cumcount() + 1 if keys else np.arange(1, len(known) + 1)
    return _latest(moments, known.assign(value=numbers), keys, at).fillna(0)


def _progress(moments: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """Return the workflow's progress at its last event before each moment."""
    columns = [name for name in events.columns if name.startswith(_PROGRESS)]
    known = events.drop_duplicates([WORKFLOW_ID, AS_OF], keep="last")
    found = pd.merge_asof(
        moments[["row", WORKFLOW_ID, AS_OF, "person_id"]],
        known[[WORKFLOW_ID, AS_OF, *columns]].assign(event_at=known[AS_OF]).sort_values(AS_OF),
        on=AS_OF,
        by=WORKFLOW_ID,
        allow_exact_matches=False,
    )
    last_person = next((c for c in columns if base_name(c) == "last_person_id"), None)
    is_same = found[last_person] == found["person_id"] if last_person else np.nan
    return found[columns].assign(
        since_event_s=(found[AS_OF] - found["event_at"]).dt.total_seconds(),
        is_last_person=is_same,
    )
