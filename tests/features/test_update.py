"""An interval added to the features gives what a build from scratch gives, or is not added."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from graphlib import TopologicalSorter
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipelines.contracts import CREATED_TIMESTAMP, FeatureView, HistoryTable
from pipelines.errors import FeatureBuildError
from pipelines.extract.lake import PartitionUnit, list_partitions, read_partition, replace_partition
from pipelines.features import built, update
from pipelines.features.build import build_features
from pipelines.features.carry import CARRIED
from pipelines.features.facts import COMPLETIONS, KEPT_FACTS
from pipelines.features.program import BEFORE, OLDER
from pipelines.features.steps import Step
from pipelines.features.update import update_features
from pipelines.features.write import LakeWriter, write_rows
from tests.features.lakes import files, read_view, write_history
from tests.features.random_history import random_tables
from tests.features.tables import arrow_tables, at, event, workflow

JANUARY = at(0)


def _cuts(seed: int) -> list[datetime]:
    """Moments of several kinds: whole days, within a day, at a recording, over a month's end."""
    first = Random(seed).randrange(5, 15)  # noqa: S311 - a test's dice
    return [
        at(first),
        at(first + 1, 7),  # at a whole hour: something may be recorded just then
        at(first + 1, 9) + timedelta(microseconds=1),
        at(first + 20),
        at(100),
    ]


@pytest.mark.parametrize(("seed", "unit"), [(1, "month"), (2, "day")])
def test_interval_by_interval_is_as_from_scratch(
    tmp_path: Path, seed: int, unit: PartitionUnit
) -> None:
    tables = random_tables(seed, workflow_count=40)
    lake, scratch = str(tmp_path / "lake"), str(tmp_path / "scratch")
    build_features(write_history(scratch, tables, unit=unit), at(100), unit)
    whole = {view: read_view(scratch, view) for view in FeatureView}
    since = None
    for until in _cuts(seed):
        result = update_features(write_history(lake, tables, until, unit), until, unit)
        assert (result.since, result.watermark) == (since, until), result.because
        for view, rows in whole.items():
            known = rows.filter(pc.less(rows[CREATED_TIMESTAMP], pa.scalar(until)))
            assert _by_time(read_view(lake, view)) == _by_time(known), f"{view} at {until}"
        since = until
    # The same rows in the same order give the same bytes, in the facts too.
    for folder in ("features", *(dataset.folder for dataset in KEPT_FACTS)):
        assert files(lake, folder) == files(scratch, folder)


def _by_time(rows: pa.Table) -> list[dict[str, Any]]:
    order = [(name, "ascending") for name in (CREATED_TIMESTAMP, *rows.column_names[:3])]
    listed: list[dict[str, Any]] = rows.sort_by(order).to_pylist()
    return listed


def test_no_file_is_replaced_before_everyone_has_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whatever order: here what replaces files is begun as soon as it may be."""
    done: list[tuple[str, Step]] = []

    def run_eagerly(steps: Mapping[str, Step]) -> Iterator[tuple[str, Any]]:
        sorter = TopologicalSorter({n: step.needs & steps.keys() for n, step in steps.items()})
        sorter.prepare()
        ready: list[str] = []
        while sorter.is_active():
            ready = sorted([*ready, *sorter.get_ready()], key=lambda name: ", " not in name)
            name = ready.pop(0)
            done.append((name, steps[name]))
            yield name, steps[name].run()
            sorter.done(name)

    tables, lake = random_tables(4, workflow_count=40), str(tmp_path)
    for moment in (at(9), at(10), at(11)):
        done.clear()
        update_features(write_history(lake, tables, moment), moment, "month")
        monkeypatch.setattr(update, "run_steps", run_eagerly)
    names = [name for name, _ in done]
    views = {f"{facts.name}, written": f"{OLDER}{facts.name}" for facts in KEPT_FACTS}
    views |= {f"{name}, kept": f"{BEFORE}{name}" for name in CARRIED}
    for end, view in views.items():
        readers = [name for name, step in done if view in step.needs and name != end]
        assert readers, view
        assert max(map(names.index, readers)) < names.index(end), view


def test_parts_of_a_history_give_the_same_bytes(tmp_path: Path) -> None:
    tables = random_tables(5, workflow_count=40)
    whole, parted = (write_history(str(tmp_path / name), tables) for name in ("whole", "parted"))
    build_features(whole, at(60), "month")
    build_features(parted, at(60), "month", part_events=40)
    assert files(parted) == files(whole)
    assert len(files(whole)) >= 12


@pytest.fixture(scope="module")
def built_lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Forty days of one workflow; features up to the thirty-fifth."""
    folder = tmp_path_factory.mktemp("built")
    events = [event("w", "AB"[day % 2], at(day, 9), person="p", team="t") for day in range(40)]
    lake = write_history(str(folder), arrow_tables(events, [workflow("w", at(0))]))
    build_features(lake, at(35), "month")
    return lake


@pytest.fixture
def lake(built_lake: str, tmp_path: Path) -> str:
    return str(shutil.copytree(built_lake, tmp_path / "lake"))


def test_nothing_new_adds_nothing(lake: str) -> None:
    before = files(lake)
    assert update_features(lake, at(35), "month").since == at(35)
    assert files(lake) == before


def _change_older_event(lake: str) -> None:
    rows = read_partition(lake, "history/task_events", JANUARY)
    column = rows.column_names.index("activity")
    changed = pa.array(["Z", *rows["activity"].to_pylist()[1:]])
    replace_partition(
        lake, "history/task_events", JANUARY, rows.set_column(column, rows.field(column), changed)
    )


def _add_to_boundary(lake: str) -> None:
    """Something recorded before the last build's end appears only now."""
    start = list_partitions(lake, "history/task_events")[1]
    rows = read_partition(lake, "history/task_events", start)
    late = arrow_tables([event("w", "Z", at(33, 10))])[HistoryTable.TASK_EVENTS]
    replace_partition(lake, "history/task_events", start, pa.concat_tables([rows, late]))


def _quarantine(lake: str) -> None:
    rows = read_partition(lake, "history/task_events", JANUARY)
    replace_partition(lake, "quarantine/task_events", JANUARY, rows.slice(3, 1))


def _lose_a_partition(lake: str) -> None:
    for path in Path(lake, "features", "team_load").glob("interval=2024-01*/part.parquet"):
        path.unlink()


def _damage_the_record(lake: str) -> None:
    Path(lake, "feature_facts", "built.json").write_text('{"until":', encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "because"),
    [
        (_change_older_event, "older history"),
        (_add_to_boundary, "older history"),
        (_quarantine, "quarantine"),
        (_lose_a_partition, "older feature partitions"),
        (_damage_the_record, "no earlier build"),
    ],
)
def test_anything_doubtful_is_built_from_scratch(
    lake: str, change: Callable[[str], None], because: str
) -> None:
    change(lake)
    result = update_features(lake, at(36), "month")
    assert result.since is None
    assert because in result.because


def test_interval_leaves_out_what_is_in_quarantine(lake: str) -> None:
    start = list_partitions(lake, "history/task_events")[1]
    rows = read_partition(lake, "history/task_events", start)
    refused = rows.filter(pc.equal(rows["recorded_at"], pc.max(rows["recorded_at"])))
    replace_partition(lake, "quarantine/task_events", start, refused)
    assert update_features(lake, at(40), "month").since == at(35)
    updated = files(lake)
    result = build_features(lake, at(40), "month")
    assert updated == files(lake)
    assert result.rows[FeatureView.WORKFLOW_PROGRESS] == 39


def test_other_definition_unit_or_direction_is_built_from_scratch(
    lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "reach to" in update_features(lake, at(34), "month").because
    assert "by month" in update_features(lake, at(35), "day").because
    monkeypatch.setattr(built, "version", lambda _: "another")
    monkeypatch.setattr("pipelines.features.update.definition", built.definition.__wrapped__)
    assert "defined otherwise" in update_features(lake, at(37), "day").because


def test_harmed_facts_are_built_anew(lake: str) -> None:
    path = Path(lake, COMPLETIONS.folder, "interval=2024-01-01", "part.parquet")
    path.write_bytes(path.read_bytes()[:40])
    assert "older feature partitions" in update_features(lake, at(37), "month").because
    assert len(path.read_bytes()) > 40


def test_build_of_single_views_is_no_ground_for_an_interval(lake: str) -> None:
    build_features(lake, at(36), "month", views=[FeatureView.TEAM_LOAD])
    assert "no earlier build" in update_features(lake, at(37), "month").because


def test_run_that_was_cut_off_can_be_repeated(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = 3  # of the eight datasets
    calls = iter(range(100))

    def failing(*args: Any) -> dict[datetime, int]:
        if next(calls) == written:
            raise FeatureBuildError("the machine stopped")
        return write_rows(*args)

    monkeypatch.setattr(update, "write_rows", failing)
    with pytest.raises(FeatureBuildError, match="stopped"):
        update_features(lake, at(38), "month")
    monkeypatch.undo()
    # Another end than the one that was cut off: rows already written past it must go.
    assert update_features(lake, at(37), "month").since == at(35)
    updated = files(lake)
    build_features(lake, at(37), "month")
    assert updated == files(lake)


def test_build_from_scratch_that_was_cut_off_is_no_ground(
    lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> dict[datetime, int]:
        raise FeatureBuildError("the machine stopped")

    monkeypatch.setattr(LakeWriter, "write", failing)
    with pytest.raises(FeatureBuildError, match="stopped"):
        build_features(lake, at(36), "month")
    monkeypatch.undo()
    assert "no earlier build" in update_features(lake, at(36), "month").because


def test_until_needs_a_time_zone(lake: str) -> None:
    with pytest.raises(FeatureBuildError, match="no time zone"):
        update_features(lake, datetime(2024, 2, 6), "month")  # noqa: DTZ001 - the fault itself
