"""Which columns of a training frame are keys, labels or times, and so never features."""

from collections.abc import Iterable
from typing import Final

import pandas as pd

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP
from pipelines.errors import TrainingError

WORKFLOW_ID: Final = "workflow_id"
AS_OF: Final = "as_of"
PART: Final = "part"
WEIGHT: Final = "censoring_weight"
LIMIT_AT: Final = "limit_at"  # a workflow that goes on beyond it is late
KNOWN_AT: Final = "label_known_at"  # when the label of a row's workflow was known
OVERDUE: Final = "is_overdue"  # the workflow was beyond its limit at the row's moment
WAIT: Final = "label_wait_s"  # seconds from the workflow's opening until then
ATTRIBUTES_SUFFIX: Final = "_attributes"
COUNTS_SUFFIX: Final = "_counts"
JSON_SUFFIXES: Final = (ATTRIBUTES_SUFFIX, COUNTS_SUFFIX)

LABELS: Final = frozenset(
    {
        *("remaining_time_s", "is_late", "lead_time_s", "late_rule"),
        *(PART, WEIGHT, KNOWN_AT, WAIT, OVERDUE),
    }
)

# The entity keys repeat last_activity, last_person_id and last_team_id. `opened_at`, `due_at` and
# `last_event_at` are absolute dates whose distances from now (elapsed_now_s, slack_s,
# time_since_last_event_s) are features already.
# The status of a workflow (closed or not) is the answer itself.
_NEVER_FEATURES: Final = LABELS | {
    WORKFLOW_ID,
    AS_OF,
    EVENT_TIMESTAMP,
    CREATED_TIMESTAMP,
    "activity",
    "person_id",
    "team_id",
    "opened_at",
    "due_at",
    "last_event_at",
    "is_closed",
    "closed_at",
    "outcome",
    "outcome_is_late",
}


def base_name(column: str) -> str:
    """Return a column's name without the prefix `view__` that Feast may put before it."""
    return column.rpartition("__")[2]


def feature_columns(columns: Iterable[str]) -> list[str]:
    """Return the columns a model may read, in the frame's order."""
    return [name for name in columns if base_name(name) not in _NEVER_FEATURES]


def find_column(frame: pd.DataFrame, name: str) -> str | None:
    """Return the frame's column called `name`, with or without a view's prefix, or None."""
    if name in frame.columns:
        return name
    return next((c for c in frame.columns if base_name(c) == name), None)


def require_columns(frame: pd.DataFrame, names: Iterable[str], what: str) -> None:
    """Refuse a frame in which one of `names` is missing.

    Raises:
        TrainingError: columns are missing; names them and says in which frame.
    """
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise TrainingError(
            f"The {what} lack the columns {', '.join(missing)}; "
            f"they have {', '.join(map(str, frame.columns))}."
        )
