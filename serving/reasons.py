"""Say in words which inputs moved an answer, and which way."""

import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import pandas as pd

from pipelines.contracts import FeatureView
from pipelines.features.views import VIEWS, qualified
from pipelines.learning.columns import COUNTS_SUFFIX
from pipelines.learning.encode import Encoder
from pipelines.learning.encode_values import parse_object
from pipelines.learning.late_limits import ELAPSED, SLACK
from serving.schemas import Reason

MAX_REASONS: Final = 5
# Less than this share of all inputs' weight explains nothing.
_LEAST_SHARE: Final = 0.02
_ASIDE: Final = re.compile(r" \([^)]*\)")


def _in_short(description: str) -> str:
    """Keep what a description says first; a duration is told with its units."""
    first = _ASIDE.sub("", description.partition(";")[0]).partition(",")[0].rstrip(".")
    return first.replace("Seconds ", "Time ").replace("Working seconds ", "Working time ")


# The same words are said of a person, a team and an activity.
_SUBJECTS: Final = {
    FeatureView.ACTIVITY_STATS: " (last activity)",
    FeatureView.PERSON_WORKLOAD: " (last person)",
    FeatureView.PERSON_ACTIVITY: " (last person at the last activity)",
    FeatureView.TEAM_LOAD: " (last team)",
}
_OF_ALL: Final = {"open_workflow_count", "opened_workflow_count_7d", "closed_workflow_count_7d"}
_MEANINGS: Final[dict[str, str]] = {
    **{
        qualified(view, column.name): _in_short(column.description)
        + ("" if column.name in _OF_ALL else _SUBJECTS.get(view, ""))
        for view, spec in VIEWS.items()
        for column in spec.columns
    },
    "hour": "Hour of the day",
    "weekday": "Day of the week, Monday is 0",
    "time_since_last_event_s": "Time since the last event",
    ELAPSED: "Time since opening",
    SLACK: "Time left until the due date",
}
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def reasons(
    contributions: Mapping[str, float], values: Mapping[str, Any], limit: int = MAX_REASONS
) -> list[Reason]:
    """Choose the inputs that moved an answer most, the strongest first, ties by name.

    `contributions` are signed shares in log-odds by feature; `values` what the model was
    given, as far as it is known.
    """
    total = sum(abs(share) for share in contributions.values())
    ranked = sorted(contributions.items(), key=lambda item: (-abs(item[1]), item[0]))
    strong = [(f, s) for f, s in ranked[:limit] if total and abs(s) >= _LEAST_SHARE * total]
    return [_reason(feature, share, values.get(feature)) for feature, share in strong]


def overdue_reasons(row: Mapping[str, Any], overdue_s: float) -> list[Reason]:
    """Say since when a workflow is late, whatever else is known of it; nothing if it is not."""
    if overdue_s <= 0:
        return []
    so_far = _duration(overdue_s)
    if not pd.isna(row[SLACK]):
        feature = SLACK
        due_at = row["as_of"] - timedelta(seconds=overdue_s)  # which a what-if may move
        told = f"It was due {due_at:%Y-%m-%d %H:%M} UTC, {so_far} ago: it is late already."
    else:
        feature = ELAPSED
        usual = _duration(row[ELAPSED] - overdue_s)
        told = f"It has been open for {so_far} longer than the usual {usual}: it is late already."
    return [
        Reason(
            feature=feature,
            value=_plain(row[feature]),
            contribution=None,
            effect="decides",
            text=told,
        )
    ]


def given_values(encoder: Encoder, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the model was given, by feature: a column's value or that of its attribute."""
    sources = {column.source for column in encoder.columns if column.key is not None}
    objects = {source: parse_object(row[source]) for source in sources}
    return {
        c.name: row[c.source] if c.key is None else objects[c.source].get(c.key)
        for c in encoder.columns
    }


def _reason(feature: str, share: float, value: Any) -> Reason:
    effect = "raises" if share > 0 else "lowers"
    told = _told(feature, value)
    return Reason(
        feature=feature,
        value=_plain(value),
        contribution=round(share, 6),
        effect=effect,
        text=f"{_meaning(feature)}: {told}, which {effect} the risk.",
    )


def _meaning(feature: str) -> str:
    if feature in _MEANINGS:
        return _MEANINGS[feature]
    source, dot, key = feature.partition(".")
    if dot and source.endswith(COUNTS_SUFFIX):
        return f"Events of the activity {key} so far"
    if dot:
        return f"{key} (attribute of the {'task' if 'task' in source else 'workflow'})"
    return feature


def _told(feature: str, value: Any) -> str:
    plain = _plain(value)
    if plain is None and feature.partition(".")[0].endswith(COUNTS_SUFFIX):
        return "none"
    if plain is None:
        return "not known"
    is_seconds = "_s_" in f"{feature}_" and isinstance(plain, float | int)
    if is_seconds and not isinstance(plain, bool):
        return _duration(float(plain))
    return f"{plain:g}" if isinstance(plain, float) else str(plain)


def _duration(seconds: float) -> str:
    """Tell a duration in its two largest units: 93,784 s is "1 d 2 h"."""
    sign, left = ("minus " if seconds < 0 else ""), abs(round(seconds))
    parts: list[str] = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {unit}")
    return sign + (" ".join(parts[:2]) or "0 s")


def _plain(value: Any) -> str | float | bool | None:
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool | str):
        return value
    if not isinstance(value, float | int):
        return str(value)
    return float(value) if math.isfinite(value) else None
