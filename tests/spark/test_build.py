"""Features on Spark in this process: the rows, partitions and errors of a build on DuckDB."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.contracts import FeatureView, HistoryTable
from pipelines.errors import FeatureBuildError, SettingsError
from pipelines.extract.lake import list_partitions, read_partition, replace_partition
from pipelines.features.build import build_features
from pipelines.features.spark_build import build_features_on_spark
from pipelines.features.spark_session import open_spark
from pipelines.settings import Settings
from tests.features.random_history import random_tables
from tests.features.tables import arrow_tables, at, closure, event, workflow
from tests.features.test_build import _write
from tests.spark.lakes import assert_same_features, build_both, copy_history

pytestmark = pytest.mark.spark

JANUARY = datetime(2024, 1, 1, tzinfo=UTC)
STATUS = FeatureView.WORKFLOW_STATUS


def test_every_view_is_the_same_on_both_engines(
    on_duckdb: Settings, on_spark: Settings, tmp_path: Path
) -> None:
    """Late, tied, missing and unordered events, and some of them in quarantine."""
    tables = random_tables(4, workflow_count=40)
    source = _write(str(tmp_path), tables)
    refused = tables[HistoryTable.TASK_EVENTS].slice(0, 3).select(["event_id"])
    replace_partition(source, "quarantine/task_events", JANUARY, refused)
    copy_history(source, on_duckdb, on_spark)
    result = build_both(on_duckdb, on_spark)
    assert min(result.rows.values()) > 40
    assert min(result.partitions.values()) >= 2


def test_a_cut_replaces_and_removes_partitions(
    on_duckdb: Settings, on_spark: Settings, tmp_path: Path
) -> None:
    openings = [workflow(f"w{day}", at(day, 6)) for day in range(28, 40)]
    closures = [closure(f"w{day}", at(day + 1), at(day + 3)) for day in range(28, 40, 2)]
    source = _write(str(tmp_path), arrow_tables([], openings, closures))
    copy_history(source, on_duckdb, on_spark)
    session = open_spark(on_spark)
    for moment, unit in ((None, "month"), (at(36, 7), "day")):
        expected = build_features(on_duckdb.lake, moment, unit, [STATUS])
        assert build_features_on_spark(session, on_spark.lake, moment, unit, [STATUS]) == expected
        assert_same_features(on_duckdb.lake, on_spark.lake, [STATUS])
    assert list_partitions(on_spark.lake, f"features/{STATUS}") == [at(d) for d in range(28, 37)]


def test_the_last_microsecond_before_the_cut_counts(on_spark: Settings, tmp_path: Path) -> None:
    moment = at(20) + timedelta(microseconds=1)
    tables = arrow_tables([event("w", "A", moment)], [workflow("w", moment)])
    _write(on_spark.lake, tables)
    session = open_spark(on_spark)
    rows = [
        build_features_on_spark(session, on_spark.lake, until, "month", [STATUS]).rows[STATUS]
        for until in (moment, moment + timedelta(microseconds=1))
    ]
    assert rows == [0, 1]


def test_a_null_that_may_not_be_leaves_what_was_there(on_spark: Settings) -> None:
    session = open_spark(on_spark)
    lake, folder = on_spark.lake, f"features/{STATUS}"
    good = arrow_tables([], [workflow("w", at(0))], [closure("w", at(1))])
    _write(lake, good)
    build_features_on_spark(session, lake, None, "month", [STATUS])
    before = read_partition(lake, folder, JANUARY)
    workflows = good[HistoryTable.WORKFLOWS]
    nullable = pa.schema([field.with_nullable(nullable=True) for field in workflows.schema])
    broken = workflows.cast(nullable).set_column(0, nullable.field(0), pa.nulls(1, pa.string()))
    path = Path(lake, "history", "workflows", "interval=2024-01-01", "part.parquet")
    pq.write_table(broken, path)
    with pytest.raises(FeatureBuildError, match=r"workflow_id of workflow_status holds nulls"):
        build_features_on_spark(session, lake, None, "month", [STATUS])
    assert read_partition(lake, folder, JANUARY).equals(before)
    assert not list(Path(lake).rglob(".*"))


def test_no_history_gives_no_rows(on_spark: Settings) -> None:
    Path(on_spark.lake).mkdir(parents=True)
    result = build_features_on_spark(open_spark(on_spark), on_spark.lake, None, "month", [STATUS])
    assert (result.rows, result.partitions, result.watermark) == ({STATUS: 0}, {STATUS: 0}, None)


def test_times_are_stored_as_utc_microseconds(on_spark: Settings) -> None:
    _write(on_spark.lake, arrow_tables([], [workflow("w", at(0, second=0.000_001))]))
    build_features_on_spark(open_spark(on_spark), on_spark.lake, None, "month", [STATUS])
    path = Path(on_spark.lake, "features", STATUS, "interval=2024-01-01", "part.parquet")
    file = pq.ParquetFile(path)
    column = file.schema.column(file.schema.names.index("event_timestamp"))
    assert (column.physical_type, column.max_definition_level) == ("INT64", 0)
    kind = json.loads(column.logical_type.to_json())
    assert (kind["timeUnit"], kind["isAdjustedToUTC"]) == ("microseconds", True)
    assert pc.equal(file.read()["event_timestamp"], at(0, second=0.000_001)).to_pylist() == [True]


def test_another_master_in_the_same_process_is_refused(on_spark: Settings) -> None:
    open_spark(on_spark)
    other = on_spark.model_copy(update={"spark_master": "local[1]"})
    with pytest.raises(SettingsError, match=r"local\[2\] runs in this process already"):
        open_spark(other)


def test_until_needs_a_time_zone(on_spark: Settings) -> None:
    with pytest.raises(FeatureBuildError, match="no time zone"):
        build_features_on_spark(
            open_spark(on_spark),
            on_spark.lake,
            datetime(2024, 1, 1),  # noqa: DTZ001 - the fault itself
            "month",
        )
