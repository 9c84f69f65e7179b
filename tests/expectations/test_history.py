"""Each history suite passes a sound table and catches each fault it is there for."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from expectations import history
from pipelines.contracts import HistoryTable
from pipelines.validate.run import run_suite

DAY = datetime(2024, 5, 6, 9, tzinfo=UTC)
SOUND: dict[str, dict[str, Any]] = {
    HistoryTable.TASK_EVENTS: {
        "event_id": "e1", "workflow_id": "w1", "task_id": "w1/a/1", "sequence": 1,
        "activity": "a", "transition": "completed", "person_id": None, "team_id": None,
        "occurred_at": DAY, "recorded_at": DAY, "attributes": "{}",
    },
    HistoryTable.WORKFLOWS: {
        "workflow_id": "w1", "template_id": None, "client_id": None, "priority": None,
        "opened_at": DAY, "due_at": None, "attributes": "{}", "recorded_at": DAY,
    },
    HistoryTable.WORKFLOW_CLOSURES: {
        "workflow_id": "w1", "closed_at": DAY, "outcome": None, "outcome_is_late": None,
        "recorded_at": DAY,
    },
}  # fmt: skip


@pytest.mark.parametrize("table", list(HistoryTable))
def test_a_sound_table_passes(table: str, tmp_path: Path) -> None:
    report = run_suite(pd.DataFrame([SOUND[table]]), history.suites()[table], tmp_path)
    assert report.failures == ()


@pytest.mark.parametrize(
    ("table", "column", "value", "is_critical"),
    [
        (HistoryTable.TASK_EVENTS, "workflow_id", None, True),
        (HistoryTable.TASK_EVENTS, "transition", "begun", True),
        (HistoryTable.TASK_EVENTS, "event_id", "e2", True),
        (HistoryTable.TASK_EVENTS, "recorded_at", DAY - timedelta(seconds=1), False),
        (HistoryTable.TASK_EVENTS, "occurred_at", datetime(1970, 1, 1, tzinfo=UTC), False),
        (HistoryTable.TASK_EVENTS, "attributes", "[]", False),
        (HistoryTable.TASK_EVENTS, "activity", "  ", False),
        (HistoryTable.WORKFLOWS, "due_at", DAY - timedelta(days=1), False),
        (HistoryTable.WORKFLOWS, "opened_at", None, True),
        (HistoryTable.WORKFLOW_CLOSURES, "closed_at", None, True),
        (HistoryTable.WORKFLOW_CLOSURES, "recorded_at", DAY - timedelta(days=1), False),
    ],
)
def test_a_fault_is_caught(
    table: str, column: str, value: object, is_critical: bool, tmp_path: Path
) -> None:
    key = "event_id" if table == HistoryTable.TASK_EVENTS else "workflow_id"
    sound = {**SOUND[table], key: f"{key[0]}2"}
    frame = pd.DataFrame([sound, {**SOUND[table], column: value}])
    report = run_suite(frame, history.suites()[table], tmp_path)
    assert len(report.failures) == 1
    assert bool(report.critical) is is_critical
    assert column in report.failures[0].column
