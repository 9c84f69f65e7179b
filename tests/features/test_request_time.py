"""Features of the moment of asking, whatever the times are written in."""

import numpy as np
import pandas as pd
import pytest

from pipelines.errors import FeatureBuildError
from pipelines.features.request_time import REQUEST_TIME_COLUMNS, add_request_time

AS_OF = pd.Timestamp("2024-01-05 23:30:00.5", tz="UTC")  # a Friday


def _frame(**columns: object) -> pd.DataFrame:
    every = {
        "as_of": AS_OF,
        "opened_at": pd.Timestamp("2024-01-01", tz="UTC"),
        "last_event_at": pd.Timestamp("2024-01-05 23:00", tz="UTC"),
        "due_at": pd.Timestamp("2024-01-05 22:30", tz="UTC"),
    }
    return pd.DataFrame([every | columns])


def _features(frame: pd.DataFrame) -> dict[str, object]:
    names = [column.name for column in REQUEST_TIME_COLUMNS]
    row: dict[str, object] = add_request_time(frame)[names].iloc[0].to_dict()
    return row


EXPECTED = {
    "hour": 23,
    "weekday": 4,
    "time_since_last_event_s": 1800.5,
    "elapsed_now_s": 4 * 86400 + 23.5 * 3600 + 0.5,
    "slack_s": -3600.5,
}


def test_all_columns() -> None:
    assert _features(_frame()) == EXPECTED


def test_frame_is_left_as_it_was_and_columns_are_added_behind() -> None:
    frame = _frame(other="x")
    before = frame.copy(deep=True)
    result = add_request_time(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert [*result.columns] == [*before.columns, *(c.name for c in REQUEST_TIME_COLUMNS)]
    dtypes = [str(result[c.name].dtype) for c in REQUEST_TIME_COLUMNS]
    assert dtypes == ["int64", "int64", "float64", "float64", "float64"]


def test_full_feature_names_are_found() -> None:
    frame = _frame().rename(columns=lambda n: n if n == "as_of" else f"workflow_progress__{n}")
    assert _features(frame) == EXPECTED


@pytest.mark.parametrize("dtype", ["datetime64[ns, UTC]", "datetime64[us, UTC]", "object"])
def test_resolution_does_not_matter(dtype: str) -> None:
    assert _features(_frame().astype(dtype)) == EXPECTED


def test_naive_times_are_utc_and_other_zones_are_converted() -> None:
    naive = _frame().apply(lambda column: column.dt.tz_localize(None))
    assert _features(naive) == EXPECTED
    assert _features(_frame(as_of=AS_OF.tz_convert("Asia/Tokyo"))) == EXPECTED


@pytest.mark.parametrize("nothing", [None, pd.NaT])
def test_unknown_times_give_unknown_features(nothing: object) -> None:
    features = _features(_frame(due_at=nothing, last_event_at=nothing, opened_at=nothing))
    assert [features[name] for name in ("hour", "weekday")] == [23, 4]
    unknown = ["time_since_last_event_s", "elapsed_now_s", "slack_s"]
    assert np.isnan([features[name] for name in unknown]).all()


def test_no_rows_give_no_rows() -> None:
    assert len(add_request_time(_frame().iloc[:0])) == 0


def test_missing_column_is_named() -> None:
    with pytest.raises(FeatureBuildError, match="due_at nor workflow_progress__due_at"):
        add_request_time(_frame().drop(columns="due_at"))


def test_moment_of_asking_must_be_known() -> None:
    with pytest.raises(FeatureBuildError, match="as_of holds nulls"):
        add_request_time(_frame(as_of=None))
