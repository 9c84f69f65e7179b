"""Refused rows are copied to quarantine, partition by partition; history stays as it is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from expectations import history
from pipelines.contracts import HistoryTable
from pipelines.errors import ValidationFailedError
from pipelines.extract.lake import list_partitions, read_partition, replace_partition
from pipelines.history.schema import TASK_EVENTS
from pipelines.validate.history import validate_history

EVENTS = f"history/{HistoryTable.TASK_EVENTS}"
QUARANTINE = f"quarantine/{HistoryTable.TASK_EVENTS}"
MAY, JUNE = (datetime(2024, month, 1, tzinfo=UTC) for month in (5, 6))


def write(lake: str, month: datetime, activities: list[str], transition: str = "started") -> None:
    count = len(activities)
    moments = pd.Series([month + timedelta(hours=n) for n in range(count)])
    frame = pd.DataFrame({
        "event_id": [f"{month:%m}-{n}" for n in range(count)], "workflow_id": "w",
        "task_id": "w/a/1", "sequence": range(count), "activity": activities,
        "transition": transition, "person_id": None, "team_id": None,
        "occurred_at": moments, "recorded_at": moments, "attributes": "{}",
    })  # fmt: skip
    rows = pa.Table.from_pandas(frame, TASK_EVENTS, preserve_index=False)
    replace_partition(lake, EVENTS, month, rows)


@pytest.mark.parametrize("batch_rows", [1, 1000])
def test_bad_rows_go_to_quarantine_and_good_rows_stay(tmp_path: Path, batch_rows: int) -> None:
    lake = str(tmp_path / "lake")
    write(lake, MAY, ["a", " ", "b"])
    write(lake, JUNE, ["", "c"])
    reports = validate_history(lake, history.suites(), tmp_path / "docs", batch_rows)
    assert [len(r.quarantined) for r in reports] == ([2] if batch_rows > 1 else [1, 1])
    refused = [
        read_partition(lake, QUARANTINE, month)["event_id"].to_pylist() for month in (MAY, JUNE)
    ]
    assert refused == [["05-1"], ["06-0"]]
    assert read_partition(lake, EVENTS, MAY).num_rows == 3


def test_corrected_rows_leave_quarantine(tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    write(lake, MAY, ["a", " "])
    validate_history(lake, history.suites(), tmp_path / "docs")
    write(lake, MAY, ["a", "b"])
    validate_history(lake, history.suites(), tmp_path / "docs")
    assert list_partitions(lake, QUARANTINE) == []


def test_critical_failure_stops_before_quarantine_changes(tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    write(lake, MAY, [" "], transition="begun")
    with pytest.raises(ValidationFailedError, match="transition: 1 unexpected, for example begun"):
        validate_history(lake, history.suites(), tmp_path / "docs")
    assert list_partitions(lake, QUARANTINE) == []
