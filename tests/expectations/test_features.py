"""A view's suite follows from its description: sound rows pass, each kind of fault is caught."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from expectations import features
from pipelines.contracts import FeatureView
from pipelines.features.views import VIEWS, ViewSpec
from pipelines.validate.run import run_suite

NOW = datetime(2024, 5, 6, 9, tzinfo=UTC)


def sound_row(view: ViewSpec) -> dict[str, Any]:
    def value(field: pa.Field) -> Any:
        if field.name.endswith(("_attributes", "_counts")):
            return "{}"
        if pa.types.is_timestamp(field.type):
            return NOW
        if pa.types.is_boolean(field.type):
            return False
        return "a" if pa.types.is_string(field.type) else 1.0

    return {field.name: value(field) for field in view.schema}


@pytest.mark.parametrize("name", FeatureView)
def test_a_sound_view_passes(name: FeatureView, tmp_path: Path) -> None:
    rows = pd.DataFrame([sound_row(VIEWS[name])])
    assert run_suite(rows, features.suites()[name], tmp_path).failures == ()


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        (FeatureView.WORKFLOW_PROGRESS, "event_count", -1),
        (FeatureView.WORKFLOW_PROGRESS, "elapsed_s", -0.5),
        (FeatureView.WORKFLOW_PROGRESS, "last_activity", None),
        (FeatureView.WORKFLOW_PROGRESS, "workflow_attributes", "[]"),
        (FeatureView.WORKFLOW_PROGRESS, "activity_counts", "A: 1"),
        (FeatureView.WORKFLOW_PROGRESS, "created_timestamp", NOW - timedelta(seconds=1)),
        (FeatureView.WORKFLOW_STATUS, "workflow_id", None),
        (FeatureView.ACTIVITY_STATS, "sojourn_time_s_median_30d", -1.0),
        (FeatureView.PERSON_WORKLOAD, "on_time_ratio", 1.5),
        (FeatureView.PERSON_ACTIVITY, "relative_speed_ratio", -0.1),
        (FeatureView.TEAM_LOAD, "completed_count_7d", -3),
    ],
)
def test_a_fault_stops(name: FeatureView, column: str, value: object, tmp_path: Path) -> None:
    rows = pd.DataFrame([{**sound_row(VIEWS[name]), column: value}])
    report = run_suite(rows, features.suites()[name], tmp_path)
    assert [column in failure.column for failure in report.critical] == [True]


def test_two_rows_that_only_their_order_tells_apart_stop(tmp_path: Path) -> None:
    row = sound_row(VIEWS[FeatureView.TEAM_LOAD])
    rows = pd.DataFrame([row, {**row, "open_task_count": 2.0}])
    report = run_suite(rows, features.suites()[FeatureView.TEAM_LOAD], tmp_path)
    assert [f.expectation for f in report.critical] == ["expect_compound_columns_to_be_unique"]


def test_a_column_too_many_stops(tmp_path: Path) -> None:
    rows = pd.DataFrame([{**sound_row(VIEWS[FeatureView.TEAM_LOAD]), "outcome": "accepted"}])
    report = run_suite(rows, features.suites()[FeatureView.TEAM_LOAD], tmp_path)
    assert [f.expectation for f in report.critical] == ["expect_table_columns_to_match_set"]
