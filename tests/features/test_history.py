"""What of the lake's history is read: recorded in time, not refused, with its types."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ibis.backends.duckdb import Backend

from pipelines.contracts import HISTORY_FOLDER, QUARANTINE_FOLDER, HistoryTable
from pipelines.errors import FeatureBuildError
from pipelines.extract.lake import replace_partition
from pipelines.features.history import SCHEMAS, History, read_history
from tests.features.tables import MONDAY, arrow_tables, at, closure, event, rows_of, workflow

TABLES = arrow_tables(
    [
        event("v", "A", at(0), attributes='{"b": 1, "a": 2}'),
        event("w", "B", at(1)),
        event("w", "C", at(1), recorded_at=at(2), attributes='{"c": 1}'),
    ],
    [workflow("v", at(0)), workflow("w", at(1))],
    [closure("v", at(0), at(3)), closure("v", at(1), at(4)), closure("w", at(2), at(3))],
)


def _write(lake: Path, folder: str, tables: Mapping[HistoryTable, pa.Table]) -> str:
    for name, table in tables.items():
        replace_partition(str(lake), f"{folder}/{name}", MONDAY, table)
    return str(lake)


def _content(connection: Backend, history: History) -> list[list[tuple[object, ...]]]:
    """Activities, opened workflows and closings."""
    parts = [
        (history.task_events, ["activity"]),
        (history.workflows, ["workflow_id"]),
        (history.workflow_closures, ["workflow_id", "recorded_at"]),
    ]
    return [[tuple(r.values()) for r in rows_of(connection, *part)] for part in parts]


@pytest.mark.parametrize(
    ("until", "expected", "keys"),
    [
        (
            None,
            [
                [("A",), ("B",), ("C",)],
                [("v",), ("w",)],
                [("v", at(3)), ("v", at(4)), ("w", at(3))],
            ],
            ("a", "b", "c"),
        ),
        (at(2), [[("A",), ("B",)], [("v",), ("w",)], []], ("a", "b")),
        (at(1), [[("A",)], [("v",)], []], ("a", "b")),
        (at(0), [[], [], []], ()),
    ],
)
def test_rows_recorded_before_a_moment(
    tmp_path: Path,
    connection: Backend,
    until: datetime | None,
    expected: list[list[tuple[object, ...]]],
    keys: tuple[str, ...],
) -> None:
    lake = _write(tmp_path, HISTORY_FOLDER, TABLES)
    history = read_history(lake, until, connection)
    assert _content(connection, history) == expected
    assert history.attribute_keys == keys


def test_rows_in_quarantine_are_left_out(tmp_path: Path, connection: Backend) -> None:
    lake = _write(tmp_path, HISTORY_FOLDER, TABLES)
    refused = {
        HistoryTable.TASK_EVENTS: TABLES[HistoryTable.TASK_EVENTS].slice(1, 1),
        HistoryTable.WORKFLOWS: TABLES[HistoryTable.WORKFLOWS].slice(0, 1),
        HistoryTable.WORKFLOW_CLOSURES: TABLES[HistoryTable.WORKFLOW_CLOSURES].slice(0, 1),
    }
    _write(tmp_path, QUARANTINE_FOLDER, refused)
    assert _content(connection, read_history(lake, None, connection)) == [
        [("A",), ("C",)],
        [("w",)],
        [("v", at(4)), ("w", at(3))],
    ]


def test_columns_and_types_are_the_same_with_and_without_rows(
    tmp_path: Path, connection: Backend
) -> None:
    empty = read_history(str(tmp_path), None, connection)
    full = read_history(_write(tmp_path, HISTORY_FOLDER, TABLES), None, connection)
    for name in HistoryTable:
        assert getattr(empty, name).schema() == getattr(full, name).schema()
        assert getattr(full, name).columns == tuple(SCHEMAS[name].names)


def test_column_without_any_value_has_its_type_still(tmp_path: Path, connection: Backend) -> None:
    table = TABLES[HistoryTable.WORKFLOWS]
    index = table.schema.get_field_index("due_at")
    untyped = table.set_column(index, "due_at", pa.nulls(table.num_rows))
    path = tmp_path / "history" / "workflows" / "interval=2024-01-01" / "part.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(untyped, path)
    workflows = read_history(str(tmp_path), None, connection).workflows
    assert workflows.due_at.type() == ibis.dtype("timestamp('UTC', 6)")
    assert rows_of(connection, workflows, ["due_at"]) == [{"due_at": None}] * 2


def test_history_reads_itself_without_a_connection(tmp_path: Path) -> None:
    history = read_history(_write(tmp_path, HISTORY_FOLDER, TABLES), at(2))
    assert history.task_events.count().execute() == 2


def test_until_needs_a_time_zone(tmp_path: Path) -> None:
    with pytest.raises(FeatureBuildError, match="no time zone"):
        read_history(str(tmp_path), datetime(2024, 1, 1))  # noqa: DTZ001 - the fault itself
