"""What the last extract left in the lake of the present is what the source says."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import Engine, insert, text

from pipelines.contracts import PresentTable, Stage
from pipelines.errors import ExtractError
from pipelines.extract.lake import read_whole
from pipelines.extract.present import OPEN_TASKS, PEOPLE, extract_present, read_present
from pipelines.history.company import simulate_company
from pipelines.jobs.extraction import extract_interval
from pipelines.settings import Settings
from pipelines.source.imports import load_simulated
from pipelines.source.moments import past_moment
from pipelines.source.tables import people, tasks, workflows
from pipelines.source.watermarks import get_watermark
from serving.lake_history import LakeHistory, SourceCopy, running_events
from serving.problems import ProblemError
from serving.source_reads import SourceReads
from serving.task_durations import require_open
from serving.tasks import SourceHistory
from tests.serving.doubles import FixedClock

pytestmark = pytest.mark.integration

MAY = datetime(2024, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ALL = 1_000_000


def copy_of(lake: str, as_of: datetime, max_rows: int = ALL) -> SourceCopy:
    clock = FixedClock(as_of)
    return LakeHistory(lake, clock, max_rows, lambda: True).copy()[0]  # type: ignore[arg-type]


def ids(database: Engine, query: str) -> list[str]:
    with database.connect() as connection:
        return [str(one) for one in connection.scalars(text(query))]


@pytest.fixture
def company(database: Engine, settings: Settings, tmp_path: Path) -> datetime:
    """A company in the source, extracted up to a moment before its end; that moment."""
    files = simulate_company(tmp_path / "files", task_count=2_000, seed=3)
    load_simulated(database, files, "a company")
    as_of = past_moment(database, 0.9)
    extract_interval(settings, None, as_of)
    return as_of


def is_open(task_id: str, known: dict[str, Any], as_of: datetime) -> bool:
    try:
        require_open(task_id, known.get(task_id), as_of, None)
    except ProblemError:
        return False
    return True


def test_the_copy_answers_as_the_source_does(
    database: Engine, settings: Settings, company: datetime
) -> None:
    source, copy = SourceHistory(SourceReads(database)), copy_of(settings.lake, company)

    task_ids = ids(database, "SELECT task_id FROM workflow.tasks")
    known, skills = source.with_skills(task_ids)
    open_ids = [one for one in task_ids if is_open(one, known, company)]
    found, wanted = copy.with_skills(task_ids)
    assert found == {one: known[one] for one in open_ids} == copy.tasks(task_ids)
    assert wanted == {one: skills[one] for one in open_ids}
    assert any(wanted.values())
    assert any(task.due_at for task in found.values())
    assert 8 < len(open_ids) < len(task_ids) / 2

    person_ids = ids(database, "SELECT person_id FROM workflow.people")
    assert copy.people(person_ids) == source.people(person_ids)
    assert copy.people(["nobody"]) == {}
    skill_ids = ids(database, "SELECT skill_id FROM workflow.skills ORDER BY skill_id")
    for asked in ([one] for one in skill_ids):
        assert copy.skilled(asked) == source.skilled(asked) != set(person_ids)
    assert copy.skilled(skill_ids) == source.skilled(skill_ids)


def test_the_events_of_what_runs_are_those_of_the_source(
    database: Engine, settings: Settings, company: datetime
) -> None:
    source, copy = SourceHistory(SourceReads(database)), copy_of(settings.lake, company)
    asked = ids(database, "SELECT workflow_id FROM workflow.workflows")

    def in_order(rows: Any) -> Any:
        # Closed later is not closed yet.
        return sorted(
            ({**row, "closure_recorded_at": None} for row in rows), key=lambda row: row["sequence"]
        )

    running = {
        one: rows
        for one, rows in source.events(asked, company).items()
        if (rows[0]["closure_recorded_at"] or company) >= company
    }
    found = copy.events(asked, company)
    assert {one: in_order(rows) for one, rows in found.items()} == {
        one: in_order(rows) for one, rows in running.items()
    }
    assert 8 < len(running) < len(asked) / 2
    earlier = copy.events(asked, company - DAY)
    assert 0 < sum(map(len, earlier.values())) < sum(map(len, found.values()))


def test_with_too_many_rows_whole_workflows_are_left_out_the_longest_quiet_first(
    settings: Settings, company: datetime
) -> None:
    everything = running_events(settings.lake, company, ALL).to_pandas()
    some = running_events(settings.lake, company, len(everything) // 2).to_pandas()
    kept = set(some["workflow_id"])
    assert len(everything) / 3 < len(some) <= len(everything) / 2
    assert len(some) == everything["workflow_id"].isin(kept).sum()
    last_at = everything.groupby("workflow_id")["recorded_at"].max()
    assert last_at[last_at.index.isin(kept)].min() >= last_at[~last_at.index.isin(kept)].max()

    few = copy_of(settings.lake, company, 10).open_tasks
    latest = copy_of(settings.lake, company).open_tasks.sort_by([("created_at", "descending")])
    assert few.num_rows == 10
    assert few.column("created_at").to_pylist() == latest.column("created_at").to_pylist()[:10]


def test_an_earlier_interval_again_leaves_the_latest_present(
    database: Engine, settings: Settings, company: datetime
) -> None:
    extract_interval(settings, company - 60 * DAY, company - 30 * DAY)
    assert get_watermark(database, Stage.EXTRACT) == company
    assert read_present(settings.lake, PresentTable.OPEN_TASKS)[1] == company


@pytest.fixture
def add(database: Engine) -> Callable[..., None]:
    """Write one task of a workflow without a template."""
    with database.begin() as connection:
        connection.execute(insert(workflows), {"workflow_id": "w", "opened_at": MAY})

    def add(task_id: str, **known: Any) -> None:
        row = {"task_id": task_id, "workflow_id": "w", "activity": "check", **known}
        with database.begin() as connection:
            connection.execute(insert(tasks), row)

    return add


def test_only_what_is_open_at_the_moment_is_there(
    database: Engine, add: Callable[..., None], tmp_path: Path
) -> None:
    lake = str(tmp_path / "lake")
    add("without times")
    add("open", created_at=MAY, started_at=MAY, due_at=MAY + 9 * DAY)
    add("to come", created_at=MAY + DAY)
    add("ends later", created_at=MAY, completed_at=MAY + DAY)
    add("has ended", created_at=MAY, completed_at=MAY + DAY - timedelta(microseconds=1))
    add("cancelled", created_at=MAY, cancelled_at=MAY)
    assert extract_present(database, lake, MAY + DAY)[PresentTable.OPEN_TASKS] == 3
    rows, as_of = read_present(lake, PresentTable.OPEN_TASKS)
    assert rows.column("task_id").to_pylist() == ["ends later", "open", "without times"]
    assert as_of == MAY + DAY
    assert rows.schema.equals(OPEN_TASKS)


def test_people_come_without_their_names(database: Engine, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    assert extract_present(database, lake, MAY) == dict.fromkeys(PresentTable, 0)
    assert read_present(lake, PresentTable.PEOPLE)[0].equals(PEOPLE.empty_table())
    hours = {"1": [["09:00", "17:00"]]}
    row = {"person_id": "p", "name": 'Ann, or "A"', "time_zone": "", "working_hours": hours}
    with database.begin() as connection:
        connection.execute(insert(people), row)
    extract_present(database, lake, MAY)
    assert read_present(lake, PresentTable.PEOPLE)[0].to_pylist() == [
        {
            "person_id": "p",
            "team_id": None,
            "time_zone": "",
            "working_hours": '{"1": [["09:00", "17:00"]]}',
            "skill_ids": "[]",
        }
    ]


def test_a_copy_that_is_not_there_or_broken_is_said(database: Engine, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    with pytest.raises(ExtractError, match="extract it first"):
        copy_of(lake, MAY)
    extract_present(database, lake, MAY)
    assert copy_of(lake, MAY).tasks(["t"]) == {}
    with pytest.raises(ExtractError, match="fallback_max_rows is 0"):
        copy_of(lake, MAY, 0)
    Path(lake, "present", "people.parquet").write_bytes(b"no Parquet")
    with pytest.raises(ExtractError, match="damaged"):
        copy_of(lake, MAY)


def test_what_fails_leaves_the_old_table(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = str(tmp_path / "lake")
    extract_present(database, lake, MAY)

    def torn(*_: Any) -> Any:
        yield pa.RecordBatch.from_pylist([], OPEN_TASKS)
        raise OSError("the disk is full")

    monkeypatch.setattr("pipelines.extract.present.stream_query", torn)
    with pytest.raises(ExtractError, match="the disk is full"):
        extract_present(database, lake, MAY + DAY)
    assert read_present(lake, PresentTable.OPEN_TASKS)[1] == MAY
    assert read_whole(lake, "present/people").num_rows == 0
    assert len(list(Path(lake, "present").iterdir())) == 2
