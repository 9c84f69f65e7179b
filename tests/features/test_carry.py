"""What an interval hands on is what the next would find in all the older history."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from pipelines.contracts import FEATURES_FOLDER
from pipelines.extract.lake import PartitionUnit
from pipelines.features.build import build_features
from pipelines.features.carried import find_carried, write_carried
from pipelines.features.carry import CARRIED, DAILY_EVENTS, EXPERIENCE, UNSETTLED_EVENTS
from pipelines.features.facts import CARRIED_FOLDER
from pipelines.features.inputs import place_carried, place_lake
from pipelines.features.program import BEFORE, set_bounds
from pipelines.features.reading import compile_reading
from pipelines.features.scratch import open_engine
from pipelines.features.update import update_features
from tests.features.lakes import files, write_history
from tests.features.random_history import random_tables
from tests.features.tables import arrow_tables, at, closure, event, workflow

UNIT: PartitionUnit = "month"
READING = compile_reading()
MOMENTS = (at(9), at(10, 7), at(10, 9) + timedelta(microseconds=1), at(30), at(31))


@pytest.mark.parametrize("seed", [3, 4])
def test_handed_on_is_what_would_be_found(tmp_path: Path, seed: int) -> None:
    tables, lake = random_tables(seed, workflow_count=40), str(tmp_path)
    for number, moment in enumerate(MOMENTS):
        update_features(write_history(lake, tables, moment, UNIT), moment, UNIT)
        if number == 0:  # from scratch: hands on nothing
            assert not files(lake, CARRIED_FOLDER)
            continue
        handed_on = _before(lake, moment)
        assert len(files(lake, CARRIED_FOLDER)) == len(CARRIED)
        for path in Path(lake, CARRIED_FOLDER).iterdir():
            path.unlink()
        found = _before(lake, moment)
        assert handed_on == found
        assert all(handed_on.values())


def test_what_is_told_months_later_counts_on_its_day(tmp_path: Path) -> None:
    """The second update ends within the day on which an event of a long settled workflow comes."""
    lake = str(tmp_path)
    events = [event("w", "A", at(1)), event("v", "A", at(44)), event("w", "B", at(2))]
    events[2]["recorded_at"] = at(50, 5)
    openings = [workflow("w", at(1)), workflow("v", at(44))]
    tables = arrow_tables(events, openings, [closure("w", at(3)), closure("v", at(45))])
    for moment in (at(48), at(49), at(50, 6), at(51)):
        update_features(write_history(lake, tables, moment, UNIT), moment, UNIT)
        scratch = write_history(str(tmp_path / f"{moment:%d%H}"), tables, moment, UNIT)
        build_features(scratch, moment, UNIT)
        assert files(lake, FEATURES_FOLDER) == files(scratch, FEATURES_FOLDER)
        if moment == at(50, 6):
            names = ("activity", "happened_day", "known_day")
            with open_engine("1GB") as connection:
                path = find_carried(lake, DAILY_EVENTS, moment)
                daily = connection.read_parquet(str(path)).select(*names).fetchall()
            told_late = (at(50) - datetime(1970, 1, 1, tzinfo=UTC)).days
            assert ("B", told_late - 48, told_late) in daily


def _before(lake: str, since: datetime) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows with which an interval that begins at `since` would begin, sorted."""
    until = since + timedelta(days=1)
    with open_engine("1GB") as connection:
        place_lake(lake, since, until, connection)
        set_bounds(connection, since, until)
        place_carried(lake, since, READING, connection)
        return {name: _rows(connection.table(f"{BEFORE}{name}")) for name in CARRIED}


def _rows(table: duckdb.DuckDBPyRelation) -> list[tuple[object, ...]]:
    return sorted(table.select(*sorted(table.columns)).fetchall(), key=repr)


def test_what_was_handed_on_is_used(tmp_path: Path) -> None:
    tables, lake = random_tables(3, workflow_count=20), str(tmp_path)
    for moment in MOMENTS[:2]:
        update_features(write_history(lake, tables, moment, UNIT), moment, UNIT)
    before = _before(lake, MOMENTS[1])
    write_carried(lake, EXPERIENCE, MOMENTS[1], _empty(lake, MOMENTS[1]))
    assert _before(lake, MOMENTS[1]) == {**before, EXPERIENCE: []}


def _empty(lake: str, moment: datetime) -> pa.Table:
    path = find_carried(lake, EXPERIENCE, moment)
    assert path is not None
    return duckdb.read_parquet(path).limit(0).to_arrow_table()


def test_build_from_scratch_forgets_what_was_handed_on(tmp_path: Path) -> None:
    tables, lake = random_tables(3, workflow_count=20), str(tmp_path)
    for moment in MOMENTS[:2]:
        update_features(write_history(lake, tables, moment, UNIT), moment, UNIT)
    assert files(lake, CARRIED_FOLDER)
    build_features(lake, MOMENTS[1], UNIT)
    assert not files(lake, CARRIED_FOLDER)


def test_only_what_holds_at_the_moment_is_found(tmp_path: Path) -> None:
    lake = str(tmp_path)
    assert find_carried(lake, UNSETTLED_EVENTS, at(1)) is None
    write_carried(lake, UNSETTLED_EVENTS, at(1), pa.table({"workflow_id": ["a"]}))
    assert find_carried(lake, UNSETTLED_EVENTS, at(1)) is not None
    assert find_carried(lake, UNSETTLED_EVENTS, at(2)) is None
    assert find_carried(lake, EXPERIENCE, at(1)) is None


def test_damaged_file_is_not_found(tmp_path: Path) -> None:
    write_carried(str(tmp_path), EXPERIENCE, at(1), pa.table({"workflow_id": ["a"]}))
    (path,) = tmp_path.rglob(f"{EXPERIENCE}.parquet")
    path.write_bytes(path.read_bytes()[:-9])
    assert find_carried(str(tmp_path), EXPERIENCE, at(1)) is None
