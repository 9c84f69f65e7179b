"""An import is all or nothing, happens once, and no refused row is ever lost."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Table, func, select

from pipelines.errors import ImportFailedError, LogFormatError, SourceError
from pipelines.history.mapping import Columns, Mapping
from pipelines.source import imports as importing
from pipelines.source.import_record import ImportSummary
from pipelines.source.imports import import_log, load_simulated
from pipelines.source.tables import imports, rejected_rows, task_events, workflows
from tests.source.history_files import at, event, task, workflow, write_history

pytestmark = pytest.mark.integration

NOW = datetime(2025, 1, 1, tzinfo=UTC)
MAPPING = Mapping(
    name="orders",
    format="csv",
    columns=Columns(workflow="case", activity="what", timestamp="when", person="who"),
)
HEADER = "case,what,when,who\n"
GOOD = "".join(f"{n},check,2024-01-0{n}T10:00:00+00:00,ann\n" for n in range(1, 10))
BAD = ",check,2024-01-01T10:00:00+00:00,ann\n"


def log(folder: Path, content: str, name: str = "orders.csv") -> Path:
    path = folder / name
    path.write_text(HEADER + content)
    return path


def run(engine: Engine, path: Path, mapping: Mapping = MAPPING, **more: Any) -> ImportSummary:
    return import_log(engine, path, mapping, **{"max_rejected_ratio": 0.2, "now": NOW, **more})


def count(engine: Engine, table: Table) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def test_the_summary_tells_what_happened(database: Engine, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    path = log(tmp_path, GOOD + BAD)
    summary = run(
        database, path, progress=lambda step, done, total: told.append((step, done, total))
    )
    assert (summary.rows_read, summary.rejected_count) == (10, 1)
    assert (summary.events_added, summary.tasks_added, summary.workflows_added) == (9, 9, 9)
    assert list(summary.rejected.values()) == [1]
    assert summary.first_recorded_at == datetime(2024, 1, 1, 10, tzinfo=UTC)
    assert summary.last_recorded_at is not None
    assert summary.last_recorded_at >= datetime(2024, 1, 9, 10, tzinfo=UTC)
    assert summary.mapping == "orders"
    assert not summary.already_imported
    assert {step for step, _, _ in told} == {importing.READING, importing.LOADING}
    assert told[-1] == (importing.LOADING, 27, 27)
    with database.connect() as connection:
        kept = connection.execute(select(rejected_rows)).mappings().one()
    assert (kept["file"], kept["row_number"], kept["import_id"]) == (
        str(path), 10, summary.import_id,
    )  # fmt: skip


def test_the_same_file_adds_nothing_twice(database: Engine, tmp_path: Path) -> None:
    first = run(database, log(tmp_path, GOOD + BAD))
    again = run(database, log(tmp_path, GOOD + BAD, "copy.csv"))
    assert again.already_imported
    assert (again.events_added, again.events_present, again.rejected) == (0, 9, first.rejected)
    assert again.import_id == first.import_id
    assert (again.first_recorded_at, again.last_recorded_at) == (
        first.first_recorded_at, first.last_recorded_at,
    )  # fmt: skip
    found = [count(database, table) for table in (imports, rejected_rows, task_events)]
    assert found == [1, 1, 9]


def test_a_longer_file_adds_what_is_new(database: Engine, tmp_path: Path) -> None:
    lines = GOOD.splitlines(keepends=True)
    run(database, log(tmp_path, "".join(lines[:4])))
    longer = run(database, log(tmp_path, GOOD))
    assert (longer.events_added, longer.events_present) == (5, 4)
    assert (longer.workflows_added, longer.workflows_present) == (5, 4)


def test_another_meaning_is_another_import_the_same_by_another_name_is_not(
    database: Engine, tmp_path: Path
) -> None:
    path = log(tmp_path, GOOD)
    run(database, path)
    assert run(database, path, MAPPING.model_copy(update={"name": "else"})).already_imported
    without_person = MAPPING.model_copy(
        update={"columns": MAPPING.columns.model_copy(update={"person": None})}
    )
    assert not run(database, path, without_person).already_imported


def test_too_many_bad_rows_fail_the_import_and_are_kept(database: Engine, tmp_path: Path) -> None:
    path = log(tmp_path, GOOD + BAD * 3)
    for _ in range(2):
        with pytest.raises(ImportFailedError, match=r"(?s)3 of 12 rows \(25\.0%\).*row 10.*case"):
            run(database, path)
        assert [count(database, t) for t in (workflows, task_events)] == [0, 0]
        assert [count(database, t) for t in (imports, rejected_rows)] == [1, 3]
    with database.connect() as connection:
        record = connection.execute(select(imports)).mappings().one()
    assert (record["status"], record["rejected_count"]) == ("failed", 3)
    assert "25.0%" in record["message"]
    # The same file may be imported once more bad rows are allowed.
    assert run(database, path, max_rejected_ratio=0.25).events_added == 9
    assert [count(database, t) for t in (imports, rejected_rows)] == [2, 6]


def test_when_the_database_fails_nothing_is_kept(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise SourceError("disk full")

    monkeypatch.setattr("pipelines.source.load.add_events", fail)
    path = log(tmp_path, GOOD + BAD)
    with pytest.raises(SourceError, match="disk full"):
        run(database, path)
    assert [count(database, t) for t in (imports, rejected_rows, workflows)] == [0, 0, 0]
    monkeypatch.undo()
    assert run(database, path).events_added == 9


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda path: None, ImportFailedError, "No such file"),
        (lambda path: path.mkdir(), ImportFailedError, "directory"),
        (lambda path: path.write_text(""), LogFormatError, "empty"),
        (lambda path: path.write_text(HEADER), LogFormatError, "no rows"),
    ],
)
def test_what_is_no_log_is_told(
    database: Engine, tmp_path: Path, make: Any, error: type[Exception], message: str
) -> None:
    path = tmp_path / "orders.csv"
    make(path)
    with pytest.raises(error, match=message):
        run(database, path)
    assert count(database, imports) == 0


def test_a_simulated_history_is_loaded_once(database: Engine, tmp_path: Path) -> None:
    files = write_history(
        tmp_path,
        workflows=[workflow("w1", 0, 8)],
        tasks=[task("k1", "w1")],
        events=[event("k1", "w1", 2)],
        master={"people": [{"person_id": "ann", "name": "Ann"}]},
    )
    summary = load_simulated(database, files, "simulated company, seed 1")
    assert (summary.file, summary.events_added) == ("simulated company, seed 1", 1)
    assert (summary.first_recorded_at, summary.last_recorded_at) == (at(0), at(8))
    assert load_simulated(database, files, "simulated company, seed 1").already_imported


@pytest.mark.shared_logs
def test_a_public_log_finds_its_mapping(database: Engine, shared_data: Path) -> None:
    path = shared_data / "helpdesk.csv"
    summary = import_log(database, path, max_rejected_ratio=0.05, now=NOW)
    assert (summary.mapping, summary.workflows_added) == ("helpdesk", 4_580)
    assert summary.events_added + summary.rejected_count == summary.rows_read == 21_348
    assert count(database, rejected_rows) == summary.rejected_count
    again = import_log(database, path, max_rejected_ratio=0.05, now=NOW)
    assert again.already_imported
    assert count(database, rejected_rows) == summary.rejected_count
