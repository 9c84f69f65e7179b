"""Features that depend on the moment of asking: one function for training and serving."""

from typing import Final

import pandas as pd
import pyarrow as pa

from pipelines.contracts import FeatureView
from pipelines.errors import FeatureBuildError
from pipelines.features.views import FeatureColumn, qualified

AS_OF: Final = "as_of"

REQUEST_TIME_COLUMNS: Final = (
    FeatureColumn("hour", pa.int64(), "Hour of the day of asking, UTC, 0 to 23."),
    FeatureColumn("weekday", pa.int64(), "Day of the week of asking, UTC, Monday is 0."),
    FeatureColumn(
        "time_since_last_event_s",
        pa.float64(),
        "Seconds from the workflow's last known event to asking.",
        nullable=True,
    ),
    FeatureColumn(
        "elapsed_now_s",
        pa.float64(),
        "Seconds from the workflow's opening to asking.",
        nullable=True,
    ),
    FeatureColumn(
        "slack_s",
        pa.float64(),
        "Seconds from asking to the due date, negative when past; null without one.",
        nullable=True,
    ),
)


def add_request_time(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the columns of `REQUEST_TIME_COLUMNS` added.

    Args:
        frame: with `as_of` (the moment of asking) and opened_at, due_at and last_event_at of
            the view `workflow_progress`, under these names or Feast's full ones
            (`workflow_progress__opened_at`). Times with a zone, or naive in UTC; any
            resolution; nulls give null features.

    Raises:
        FeatureBuildError: a column is missing, or an `as_of` is null.
    """
    as_of = _moments(frame, AS_OF)
    if as_of.isna().any():
        raise FeatureBuildError("The column as_of holds nulls: every row needs a moment of asking.")
    return frame.assign(
        hour=as_of.dt.hour.astype("int64"),
        weekday=as_of.dt.weekday.astype("int64"),
        time_since_last_event_s=(as_of - _moments(frame, "last_event_at")).dt.total_seconds(),
        elapsed_now_s=(as_of - _moments(frame, "opened_at")).dt.total_seconds(),
        slack_s=(_moments(frame, "due_at") - as_of).dt.total_seconds(),
    )


def _moments(frame: pd.DataFrame, name: str) -> "pd.Series[pd.Timestamp]":
    full = qualified(FeatureView.WORKFLOW_PROGRESS, name)
    found = full if full in frame.columns else name
    if found not in frame.columns:
        raise FeatureBuildError(
            f"The frame has neither a column {name} nor {full}; "
            f"it has {', '.join(map(str, frame.columns))}."
        )
    # One resolution: differences of mixed ones would overflow or round.
    return pd.to_datetime(frame[found], utc=True).astype("datetime64[us, UTC]")
