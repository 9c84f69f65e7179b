"""The lake holds exactly what was recorded in the interval, in whole, repeatable partitions."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest
from sqlalchemy import Engine, text

from pipelines.contracts import HistoryTable
from pipelines.errors import ExtractError
from pipelines.extract import stream
from pipelines.extract.history import TableExtract, extract_history, history_span
from pipelines.extract.lake import list_partitions, partition_path, read_partition
from pipelines.extract.parquet import FixedGroupsWriter
from pipelines.history.schema import TASK_EVENTS
from pipelines.source.load import load_history
from tests.source.history_files import event, task, workflow, write_history

pytestmark = pytest.mark.integration

EVENTS = "history/task_events"
JANUARY = datetime(2024, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2024, 2, 1, tzinfo=UTC)
MARCH = datetime(2024, 3, 1, tzinfo=UTC)
DAY = 24.0


def day(number: int) -> datetime:
    return JANUARY + timedelta(days=number - 1)


def add_events(engine: Engine, folder: Path, *days: float, **more: Any) -> None:
    """Load events that happened `days` after the start of 2024 (0.0 is its first moment)."""
    files = write_history(
        folder / uuid4().hex,
        workflows=[workflow("w", 0)],
        tasks=[task("k", "w")],
        events=[event("k", "w", n * DAY, **more) for n in days],
    )
    load_history(engine, files, uuid4())


def extract(engine: Engine, lake: Path, start: datetime, end: datetime, unit: Any = "month") -> Any:
    return extract_history(engine, str(lake), start, end, unit)


def days_in(lake: Path, start: datetime) -> list[float]:
    """Return when the events of a partition were recorded, in days since the start of 2024."""
    recorded = read_partition(str(lake), EVENTS, start)["recorded_at"].to_pylist()
    return [(moment - JANUARY) / timedelta(days=1) for moment in recorded]


def every_byte(lake: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(lake)): path.read_bytes()
        for path in sorted(lake.rglob("*"))
        if path.is_file()
    }


def test_every_table_has_its_columns_and_only_what_was_known(
    database: Engine, tmp_path: Path
) -> None:
    files = write_history(
        tmp_path / "files",
        workflows=[
            workflow("w1", 0, 40 * DAY, client_id="", template_id="t", priority="high",
                     due_at=day(9), outcome="done", outcome_is_late=False,
                     attributes='{"b": "two\\nlines, \\"q\\""}'),
            workflow("w2", 1),
        ],
        tasks=[task("k", "w1")],
        events=[event("k", "w1", 2, person_id="ann", attributes='{"a": 1.50}', sequence=3)],
    )  # fmt: skip
    load_history(database, files, uuid4())
    result = extract(database, tmp_path, JANUARY, MARCH)
    assert result.tables == {
        HistoryTable.TASK_EVENTS: TableExtract(1, 1),
        HistoryTable.WORKFLOWS: TableExtract(1, 2),
        HistoryTable.WORKFLOW_CLOSURES: TableExtract(1, 1),
    }
    events = read_partition(str(tmp_path), EVENTS, JANUARY)
    assert events.schema.equals(TASK_EVENTS)
    (row,) = events.to_pylist()
    (loaded,) = pa.parquet.read_table(files.task_events).to_pylist()
    assert row == loaded
    assert read_partition(str(tmp_path), "history/workflows", JANUARY).to_pylist() == [
        {
            "workflow_id": "w1", "template_id": "t", "client_id": "", "priority": "high",
            "opened_at": JANUARY, "due_at": day(9), "recorded_at": JANUARY,
            "attributes": '{"b": "two\\nlines, \\"q\\""}',
        },
        {
            "workflow_id": "w2", "template_id": None, "client_id": None, "priority": None,
            "opened_at": JANUARY + timedelta(hours=1), "due_at": None,
            "recorded_at": JANUARY + timedelta(hours=1), "attributes": "{}",
        },
    ]  # fmt: skip
    assert list_partitions(str(tmp_path), "history/workflow_closures") == [FEBRUARY]
    assert read_partition(str(tmp_path), "history/workflow_closures", FEBRUARY).to_pylist() == [
        {"workflow_id": "w1", "closed_at": day(41), "outcome": "done", "outcome_is_late": False,
         "recorded_at": day(41)}
    ]  # fmt: skip


def test_the_interval_is_half_open(database: Engine, tmp_path: Path) -> None:
    add_events(database, tmp_path / "files", 1, 2, 3, 31)
    extract(database, tmp_path / "lake", day(2), day(4))
    assert list_partitions(str(tmp_path / "lake"), EVENTS) == [JANUARY]
    assert days_in(tmp_path / "lake", JANUARY) == [1.0, 2.0]
    extract(database, tmp_path / "lake", day(2), day(4) + timedelta(microseconds=1))
    assert days_in(tmp_path / "lake", JANUARY) == [1.0, 2.0, 3.0]
    extract(database, tmp_path / "lake", JANUARY, FEBRUARY)
    assert list_partitions(str(tmp_path / "lake"), EVENTS) == [JANUARY]


@pytest.mark.parametrize("unit", ["day", "month"])
def test_steps_of_any_length_end_where_one_step_ends(
    database: Engine, tmp_path: Path, unit: str
) -> None:
    add_events(database, tmp_path / "files", 0, 0.5, 3, 9.25, 30.99, 31, 45, 59)
    extract(database, tmp_path / "whole", JANUARY, MARCH, unit)
    bounds = [JANUARY, day(4), day(4) + timedelta(hours=1), day(20), FEBRUARY, day(50), MARCH]
    for start, end in pairwise(bounds):
        extract(database, tmp_path / "steps", start, end, unit)
    assert every_byte(tmp_path / "steps") == every_byte(tmp_path / "whole")
    assert len(list_partitions(str(tmp_path / "whole"), EVENTS)) == (7 if unit == "day" else 2)


def test_running_again_gives_the_same_bytes(database: Engine, tmp_path: Path) -> None:
    add_events(database, tmp_path / "files", 1, 1, 1, 5, 33)
    extract(database, tmp_path / "lake", JANUARY, MARCH)
    before = every_byte(tmp_path / "lake")
    with database.begin() as connection:  # moves the rows on disk
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("UPDATE workflow.task_events SET sequence = sequence"))
    extract(database, tmp_path / "lake", JANUARY, MARCH)
    assert every_byte(tmp_path / "lake") == before


def test_ties_are_in_the_order_of_the_log(database: Engine, tmp_path: Path) -> None:
    files = write_history(
        tmp_path / "files",
        workflows=[workflow("w", 0)],
        tasks=[task(f"k{n}", "w") for n in range(50)],
        events=[event(f"k{n}", "w", 5, sequence=n) for n in reversed(range(50))],
    )
    load_history(database, files, uuid4())
    extract(database, tmp_path, JANUARY, FEBRUARY)
    sequence = read_partition(str(tmp_path), EVENTS, JANUARY)["sequence"].to_pylist()
    assert sequence == list(range(50))


def test_a_late_row_lies_where_it_was_recorded(database: Engine, tmp_path: Path) -> None:
    add_events(database, tmp_path / "files", 2)
    extract(database, tmp_path / "lake", JANUARY, FEBRUARY)
    january = every_byte(tmp_path / "lake")
    add_events(database, tmp_path / "files", 5, recorded_at=day(40))
    extract(database, tmp_path / "lake", FEBRUARY, MARCH)
    assert days_in(tmp_path / "lake", JANUARY) == [2.0]
    assert days_in(tmp_path / "lake", FEBRUARY) == [39.0]
    after = every_byte(tmp_path / "lake")
    assert {name: after[name] for name in january} == january


def test_rows_that_arrive_for_an_old_interval_come_with_its_rerun(
    database: Engine, tmp_path: Path
) -> None:
    add_events(database, tmp_path / "files", 2, 8)
    extract(database, tmp_path / "lake", JANUARY, FEBRUARY)
    add_events(database, tmp_path / "files", 4)
    extract(database, tmp_path / "lake", day(3), day(6))
    # What a wider run had written after the end of this one is still there.
    assert days_in(tmp_path / "lake", JANUARY) == [2.0, 4.0, 8.0]


def test_nothing_after_the_end_is_ever_added(database: Engine, tmp_path: Path) -> None:
    add_events(database, tmp_path / "files", 2, 8)
    extract(database, tmp_path / "lake", JANUARY, day(6))
    extract(database, tmp_path / "lake", JANUARY, day(4))
    assert days_in(tmp_path / "lake", JANUARY) == [2.0]


def test_a_partition_without_rows_is_removed(database: Engine, tmp_path: Path) -> None:
    add_events(database, tmp_path / "files", 2, 33)
    extract(database, tmp_path / "lake", JANUARY, MARCH)
    with database.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text("DELETE FROM workflow.task_events WHERE recorded_at < '2024-02-01'")
        )
    extract(database, tmp_path / "lake", JANUARY, MARCH)
    assert list_partitions(str(tmp_path / "lake"), EVENTS) == [FEBRUARY]
    assert not (tmp_path / "lake" / EVENTS / "interval=2024-01-01").exists()


def test_killed_in_the_middle_every_partition_is_whole(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = tmp_path / "lake"
    add_events(database, tmp_path / "files", 2, 33)
    extract(database, lake, JANUARY, MARCH)
    old = every_byte(lake)
    add_events(database, tmp_path / "files", 3, 34)
    written: list[int] = []
    write = FixedGroupsWriter.write

    def die_at_the_second(writer: FixedGroupsWriter, rows: Any) -> None:
        write(writer, rows)
        written.append(rows.num_rows)
        if len(written) == 2:
            raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(FixedGroupsWriter, "write", die_at_the_second)
        with pytest.raises(ExtractError, match="No space left"):
            extract(database, lake, JANUARY, MARCH)
    found = every_byte(lake)
    assert found.keys() == old.keys()  # nothing half-written remains
    february = f"{EVENTS}/interval=2024-02-01/part.parquet"
    assert found[february] == old[february]
    assert days_in(lake, JANUARY) == [2.0, 3.0]
    extract(database, lake, JANUARY, MARCH)
    assert days_in(lake, FEBRUARY) == [33.0, 34.0]


def test_rows_need_not_fit_into_one_block(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.extract.stream._BLOCK_BYTES", 1_000)
    add_events(database, tmp_path / "files", *(n / 10 for n in range(400)))
    told: list[tuple[int, int]] = []
    extract_history(
        database, str(tmp_path / "small"), JANUARY, MARCH, "month",
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    monkeypatch.undo()
    extract(database, tmp_path / "large", JANUARY, MARCH)
    assert every_byte(tmp_path / "small") == every_byte(tmp_path / "large")
    assert days_in(tmp_path / "small", JANUARY) == [n / 10 for n in range(310)]
    assert told == [(n, 6) for n in range(1, 7)]


def test_span(database: Engine, tmp_path: Path) -> None:
    assert history_span(database) is None
    add_events(database, tmp_path, 3, recorded_at=day(20))
    assert history_span(database) == (JANUARY, day(20))


def test_a_database_that_is_gone_is_told(database: Engine, tmp_path: Path) -> None:
    add_events(database, tmp_path / "files", 2)

    def cut_off(_done: int, _total: int) -> None:
        with database.connect() as other:
            other.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )

    with pytest.raises(ExtractError, match="run the same interval again"):
        extract_history(database, str(tmp_path), JANUARY, MARCH, "month", progress=cut_off)


def test_two_extracts_wait_for_each_other(database: Engine) -> None:
    with stream.snapshot(database), database.connect() as other:
        free = text("SELECT pg_try_advisory_xact_lock(:id)")
        assert other.scalar(free, {"id": stream._EXTRACT_LOCK}) is False


def test_paths_are_those_of_the_design(database: Engine, tmp_path: Path) -> None:
    add_events(database, tmp_path / "files", 2)
    extract(database, tmp_path / "lake", JANUARY, MARCH, "day")
    expected = partition_path(str(tmp_path / "lake"), EVENTS, day(3))
    assert expected.endswith("/lake/history/task_events/interval=2024-01-03/part.parquet")
    assert Path(expected).is_file()
