"""Features that depend on the moment of asking: one function for training and serving."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pipelines.contracts import FeatureView
from pipelines.errors import FeatureBuildError
from pipelines.features.views import FeatureColumn, qualified

Moments = npt.NDArray[np.datetime64]

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


_US: Final = "datetime64[us]"
_HOUR_US: Final = 3_600_000_000
_DAY_US: Final = 24 * _HOUR_US
_SECOND: Final = np.timedelta64(1, "s")
_MONDAY: Final = 3  # 1970 began on a Thursday


def request_time(
    as_of: Moments, opened_at: Moments, due_at: Moments, last_event_at: Moments
) -> dict[str, npt.NDArray[Any]]:
    """Compute the columns of `REQUEST_TIME_COLUMNS`, for the rows of a training set or for one.

    Args:
        as_of: the moments of asking; as all others of type datetime64[us], in UTC.
        opened_at: of the workflow, as its due date and its last event; NaT gives NaN.
        due_at: see above.
        last_event_at: see above.

    Raises:
        FeatureBuildError: an `as_of` is NaT.
    """
    if np.isnat(as_of).any():
        raise FeatureBuildError("The column as_of holds nulls: every row needs a moment of asking.")
    count = as_of.astype(np.int64)
    return {
        "hour": count // _HOUR_US % 24,
        "weekday": (count // _DAY_US + _MONDAY) % 7,
        "time_since_last_event_s": (as_of - last_event_at) / _SECOND,
        "elapsed_now_s": (as_of - opened_at) / _SECOND,
        "slack_s": (due_at - as_of) / _SECOND,
    }


def moments(values: Sequence[datetime | None]) -> Moments:
    """Return aware datetimes as `request_time` takes them; None becomes NaT."""
    naive = [None if v is None else v.astimezone(UTC).replace(tzinfo=None) for v in values]
    return np.array(naive, _US)


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
    return frame.assign(
        **request_time(
            _moments(frame, AS_OF),
            _moments(frame, "opened_at"),
            _moments(frame, "due_at"),
            _moments(frame, "last_event_at"),
        )
    )


def _moments(frame: pd.DataFrame, name: str) -> Moments:
    full = qualified(FeatureView.WORKFLOW_PROGRESS, name)
    found = full if full in frame.columns else name
    if found not in frame.columns:
        raise FeatureBuildError(
            f"The frame has neither a column {name} nor {full}; "
            f"it has {', '.join(map(str, frame.columns))}."
        )
    times = pd.to_datetime(frame[found], utc=True).dt.tz_localize(None)
    # One resolution: differences of mixed ones would overflow or round.
    return times.to_numpy(dtype=_US)
