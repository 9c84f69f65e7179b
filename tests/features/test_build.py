"""From the lake's history to the lake's features: partitions, bytes, cuts, leftovers."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.contracts import CREATED_TIMESTAMP, FeatureView, HistoryTable
from pipelines.errors import FeatureBuildError
from pipelines.extract.lake import list_partitions, read_partition, replace_partition
from pipelines.features.build import build_features
from pipelines.features.views import VIEWS
from tests.features.random_history import random_tables
from tests.features.tables import arrow_tables, at, closure, event, workflow

JANUARY, FEBRUARY, MARCH = (datetime(2024, month, 1, tzinfo=UTC) for month in (1, 2, 3))


def _write(lake: str, tables: Mapping[HistoryTable, pa.Table]) -> str:
    """Write a history in monthly partitions, as the extraction does."""
    for name, table in tables.items():
        months = pc.floor_temporal(table["recorded_at"], unit="month")
        for month in pc.unique(months).to_pylist():
            rows = table.filter(pc.equal(months, month))
            replace_partition(lake, f"history/{name}", month.astimezone(UTC), rows)
    return lake


def _read(lake: str, view: FeatureView) -> pa.Table:
    folder = f"features/{view}"
    parts = [read_partition(lake, folder, start) for start in list_partitions(lake, folder)]
    return pa.concat_tables([VIEWS[view].schema.empty_table(), *parts])


def _bytes(lake: str) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in Path(lake, "features").rglob("*") if p.is_file()}


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return _write(str(tmp_path / "lake"), random_tables(4, workflow_count=40))


@pytest.fixture
def small(tmp_path: Path) -> str:
    """One workflow from January into February."""
    events = [event("w", "A", at(0), person="p", team="t"), event("w", "B", at(35), person="p")]
    tables = arrow_tables(events, [workflow("w", at(0))], [closure("w", at(35))])
    return _write(str(tmp_path / "small"), tables)


def test_partitions_by_created_timestamp_with_the_described_schema(lake: str) -> None:
    result = build_features(lake, None, "month")
    for view in FeatureView:
        folder = f"features/{view}"
        starts = list_partitions(lake, folder)
        assert len(starts) == result.partitions[view] >= 2
        for start in starts:
            table = read_partition(lake, folder, start)
            assert table.schema.equals(VIEWS[view].schema), view
            created = table[CREATED_TIMESTAMP]
            assert start <= pc.min(created).as_py()
            assert pc.max(created).as_py() < (start + timedelta(days=32)).replace(day=1)
            keys = [tuple(row.values()) for row in table.select(VIEWS[view].key).to_pylist()]
            assert keys == sorted(set(keys)), "sorted by key, and unique"
        assert _read(lake, view).num_rows == result.rows[view]


def test_rerun_gives_the_same_bytes(lake: str) -> None:
    build_features(lake, None, "month")
    first = _bytes(lake)
    build_features(lake, None, "month")
    assert _bytes(lake) == first
    assert len(first) >= 12


def test_day_partitions_hold_the_same_rows(lake: str) -> None:
    build_features(lake, None, "month")
    months = {view: _read(lake, view) for view in FeatureView}
    build_features(lake, None, "day")
    for view, table in months.items():
        order = [(name, "ascending") for name in (CREATED_TIMESTAMP, *VIEWS[view].key[:-1])]
        days = _read(lake, view)
        # The monthly partition of February 1 is a daily one too: it must have been replaced.
        assert days.sort_by(order).equals(table.sort_by(order)), view


def test_until_cuts_history_and_features(lake: str) -> None:
    build_features(lake, None, "month")
    everything = {view: _read(lake, view) for view in FeatureView}
    for until in (FEBRUARY, at(20, 7)):
        result = build_features(lake, until, "month")
        assert result.watermark == until
        for view, table in everything.items():
            known = table.filter(pc.less(table[CREATED_TIMESTAMP], pa.scalar(until)))
            assert _read(lake, view).equals(known), f"{view} until {until}"


def test_partitions_after_until_are_removed(small: str) -> None:
    assert build_features(small, None, "month").partitions[FeatureView.WORKFLOW_PROGRESS] == 2
    result = build_features(small, FEBRUARY, "month")
    assert result.rows[FeatureView.WORKFLOW_PROGRESS] == 1
    assert list_partitions(small, "features/workflow_progress") == [JANUARY]


def test_day_that_ends_with_until_is_closed(small: str) -> None:
    build_features(small, at(1), "month")
    assert _read(small, FeatureView.ACTIVITY_STATS)["activity"].to_pylist() == ["A"]
    build_features(small, at(1) - timedelta(microseconds=1), "month")
    assert _read(small, FeatureView.ACTIVITY_STATS).num_rows == 0


def test_watermark_without_until_is_after_the_last_recording(small: str) -> None:
    result = build_features(small, None, "month")
    assert result.watermark == at(35) + timedelta(microseconds=1)


def test_only_the_views_asked_for_are_touched(small: str) -> None:
    build_features(small, None, "month")
    view = FeatureView.TEAM_LOAD
    before = _bytes(small)
    result = build_features(small, at(1), "month", views=[view])
    assert result.rows.keys() == result.partitions.keys() == {view}
    changed = {path for path, data in before.items() if _bytes(small).get(path) != data}
    assert all(view in path for path in changed)


def test_progress_is_told_after_each_view(small: str) -> None:
    told: list[tuple[FeatureView, int, int]] = []
    build_features(small, None, "month", progress=lambda *step: told.append(step))
    assert told == [(view, n, 6) for n, view in enumerate(FeatureView, start=1)]


@pytest.mark.parametrize("until", [None, JANUARY])
def test_empty_lake_gives_no_partition(tmp_path: Path, until: datetime | None) -> None:
    result = build_features(str(tmp_path), until, "month")
    assert set(result.rows.values()) == set(result.partitions.values()) == {0}
    assert result.watermark == until
    assert not _bytes(str(tmp_path))


def test_single_event(tmp_path: Path) -> None:
    lake = _write(str(tmp_path), arrow_tables([event("w", "A", at(0, 1))]))
    rows = build_features(lake, None, "day").rows
    assert rows == dict.fromkeys(FeatureView, 0) | {
        FeatureView.WORKFLOW_PROGRESS: 1,
        FeatureView.ACTIVITY_STATS: 1,
    }


def test_many_workflows_at_the_same_instant(tmp_path: Path) -> None:
    events = [event(f"w{n}", "A", at(0), person="p", team="t") for n in range(500)]
    lake = _write(str(tmp_path), arrow_tables(events))
    rows = build_features(lake, None, "month").rows
    assert rows[FeatureView.WORKFLOW_PROGRESS] == 500
    (row,) = _read(lake, FeatureView.TEAM_LOAD).to_pylist()
    assert (row["completed_count_7d"], row["active_person_count_30d"]) == (500, 1)


def test_object_store_works_like_a_folder(small: str) -> None:
    tables = {
        name: pa.concat_tables(
            read_partition(small, f"history/{name}", start)
            for start in list_partitions(small, f"history/{name}")
        )
        for name in HistoryTable
    }
    remote = _write("memory://features-lake", tables)
    try:
        build_features(remote, None, "month")
        build_features(small, None, "month")
        for view in FeatureView:
            assert _read(remote, view).equals(_read(small, view)), view
    finally:
        fsspec.filesystem("memory").rm("/features-lake", recursive=True)


def test_null_where_none_may_be_names_the_column(tmp_path: Path) -> None:
    table = arrow_tables([event("w", "A", at(0))])[HistoryTable.TASK_EVENTS]
    nullable = pa.schema([field.with_nullable(nullable=True) for field in table.schema])
    index = table.schema.get_field_index("activity")
    broken = table.cast(nullable).set_column(index, "activity", pa.nulls(1, pa.string()))
    path = tmp_path / "history" / "task_events" / "interval=2024-01-01" / "part.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(broken, path)
    with pytest.raises(FeatureBuildError, match=r"last_activity.*workflow_progress.*nulls"):
        build_features(str(tmp_path), None, "month")
    assert not _bytes(str(tmp_path)), "nothing half-written remains"


def test_until_needs_a_time_zone(small: str) -> None:
    with pytest.raises(FeatureBuildError, match="no time zone"):
        build_features(small, datetime(2024, 1, 1), "month")  # noqa: DTZ001 - the fault itself
