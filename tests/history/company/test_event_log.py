import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

import pipelines.history
from pipelines.history.company import write_event_log
from pipelines.history.mapping import load_mapping
from pipelines.history.read import read_log

from .conftest import History

MAPPING = Path(pipelines.history.__file__).parent / "mappings" / "company.toml"


@pytest.mark.parametrize("name", ["company.csv", "company.csv.gz"])
def test_the_log_read_again_is_the_same_history(small: History, tmp_path: Path, name: str) -> None:
    row_count = write_event_log(small.files, tmp_path / name)
    assert row_count == small.table("task_events").num_rows
    now = datetime(2026, 1, 1, tzinfo=UTC)
    again = History(read_log(tmp_path / name, load_mapping(MAPPING), tmp_path / "again", now))
    assert (again.files.read_count, again.files.rejected_count) == (row_count, 0)

    events = ["workflow_id", "activity", "transition", "person_id", "team_id", "occurred_at"]
    events.append("recorded_at")
    order = ["workflow_id", "sequence"]
    pd.testing.assert_frame_equal(
        again.frame("task_events").sort_values(order)[events].reset_index(drop=True),
        small.frame("task_events").sort_values(order)[events].reset_index(drop=True),
    )
    facts = ["template_id", "client_id", "priority", "opened_at", "due_at"]
    pd.testing.assert_frame_equal(
        again.frame("workflows").set_index("workflow_id")[facts].sort_index(),
        small.frame("workflows").set_index("workflow_id")[facts].sort_index(),
    )
    times = ["activity", "created_at", "started_at", "completed_at", "cancelled_at", "due_at"]
    by = ["workflow_id", *times]
    pd.testing.assert_frame_equal(
        again.frame("tasks")[by].sort_values(by).reset_index(drop=True),
        small.frame("tasks")[by].sort_values(by).reset_index(drop=True),
    )
    assert documents(again, "task_events", order) == documents(small, "task_events", order)
    by_id = ["workflow_id"]
    assert documents(again, "workflows", by_id) == documents(small, "workflows", by_id)


def documents(history: History, name: str, order: list[str]) -> list[object]:
    return [json.loads(text) for text in history.frame(name).sort_values(order).attributes]
