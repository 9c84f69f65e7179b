"""Prediction moments and running workflows of a small history."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from pipelines.contracts import HistoryTable
from pipelines.errors import FeatureStoreError
from pipelines.features.history import SCHEMAS
from pipelines.store.moments import prediction_moments, running_workflows

DAY = datetime(2024, 3, 1, tzinfo=UTC)
UNTIL = DAY + timedelta(days=30)


def at(hour: float) -> datetime:
    return DAY + timedelta(hours=hour)


def write(lake: Path, table: HistoryTable, rows: list[tuple], time: str) -> None:
    """Write workflow_id, one time and recorded_at; what else a table has does not matter here."""
    known = dict(zip(("workflow_id", time, "recorded_at"), zip(*rows, strict=True), strict=True))
    schema = SCHEMAS[table]
    columns = {
        field.name: known.get(field.name)
        or ([str(i) for i in range(len(rows))] if field.type == pa.string() else [None] * len(rows))
        for field in schema
    }
    folder = lake / "history" / table.value / "interval=2024-03-01"
    folder.mkdir(parents=True)
    arrays = {field.name: pa.array(columns[field.name], field.type) for field in schema}
    pq.write_table(pa.table(arrays), folder / "part.parquet")


@pytest.fixture
def lake(tmp_path: Path) -> str:
    """`done` closes at 10, `open` runs, `late` is recorded two hours after it happened."""
    events = [
        ("done", at(0), at(0)),
        ("done", at(4), at(4)),
        ("done", at(4), at(4)),  # two events of one moment
        ("done", at(10), at(10)),  # the closing event: nothing is left to predict
        ("open", at(1), at(1)),
        ("open", at(9), at(9)),
        ("late", at(3), at(5)),
        ("future", at(2), UNTIL),
    ]
    write(tmp_path, HistoryTable.TASK_EVENTS, events, "occurred_at")
    openings = [("done", at(-1), at(0)), ("open", at(1), at(1))]
    write(tmp_path, HistoryTable.WORKFLOWS, openings, "opened_at")
    closures = [("done", at(10), at(10)), ("open", at(20), UNTIL)]
    write(tmp_path, HistoryTable.WORKFLOW_CLOSURES, closures, "closed_at")
    return str(tmp_path)


def hours_of(moments: pd.DataFrame, workflow_id: str) -> list[float]:
    times = moments.loc[moments["workflow_id"] == workflow_id, "event_timestamp"]
    return [(t - DAY) / timedelta(hours=1) for t in times]


def test_every_event_moment_before_the_closing_is_there(lake):
    moments = prediction_moments(lake, UNTIL, seed=1, max_rows=100)
    assert str(moments["event_timestamp"].dtype) == "datetime64[us, UTC]"
    assert {0.0, 4.0} <= set(hours_of(moments, "done"))
    assert {1.0, 9.0} <= set(hours_of(moments, "open"))
    assert hours_of(moments, "late") == [5.0]  # known at 5, so nobody could have asked at 3
    assert hours_of(moments, "future") == []


def test_half_of_the_gaps_hold_a_moment_more(lake):
    gaps = {"done": [(0, 4), (4, 10)], "open": [(1, 9)]}
    found = dict.fromkeys([(0, 4), (4, 10), (1, 9)], 0)
    for seed in range(60):
        moments = prediction_moments(lake, UNTIL, seed, max_rows=100)
        for workflow, spans in gaps.items():
            edges = {hour for span in spans for hour in span}
            between = [hour for hour in hours_of(moments, workflow) if hour not in edges]
            for hour in between:
                (span,) = (s for s in spans if s[0] < hour < s[1])
                found[span] += 1
    assert all(15 < count < 45 for count in found.values()), found


def test_moments_are_the_same_for_the_same_seed(lake):
    once = prediction_moments(lake, UNTIL, seed=5, max_rows=100)
    assert_frame_equal(once, prediction_moments(lake, UNTIL, seed=5, max_rows=100))
    assert once.equals(once.sort_values(["workflow_id", "event_timestamp"]))


def test_until_cuts_what_is_recorded_and_what_is_asked(lake):
    moments = prediction_moments(lake, at(4), seed=1, max_rows=100)
    assert hours_of(moments, "done") == [0.0]
    assert hours_of(moments, "late") == []


def test_max_rows_leaves_out_whole_workflows(lake):
    whole = prediction_moments(lake, UNTIL, seed=1, max_rows=100)
    for limit in range(1, len(whole) + 1):
        some = prediction_moments(lake, UNTIL, seed=1, max_rows=limit)
        assert len(some) <= limit
        kept = whole[whole["workflow_id"].isin(some["workflow_id"])]
        assert kept.reset_index(drop=True).equals(some)
    assert len(some) == len(whole)


def test_running_workflows(lake):
    running = running_workflows(lake, UNTIL)
    assert running["workflow_id"].tolist() == ["late", "open"]
    assert running["opened_at"].tolist() == [at(3), at(1)]
    assert running["last_event_at"].tolist() == [at(3), at(9)]
    assert running_workflows(lake, at(8))["workflow_id"].tolist() == ["done", "late", "open"]


def test_without_history(tmp_path):
    with pytest.raises(FeatureStoreError, match="extract the history first"):
        running_workflows(str(tmp_path), UNTIL)
