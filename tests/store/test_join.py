"""The point-in-time join case by case; at random it is held against an oracle elsewhere."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.errors import FeatureStoreError
from pipelines.store.join import JoinedView, point_in_time_join
from pipelines.store.scan import duckdb_session

START = datetime(2024, 3, 31, tzinfo=UTC)
TICK = timedelta(microseconds=1)
PLANS = {"look rows up": 0.0, "sort rows": math.inf, "chosen": 16.0}


def at(ticks: int | None) -> datetime | None:
    return None if ticks is None else START + ticks * TICK


def entity_table(entities) -> pa.Table:
    return pa.table(
        {
            "note": pa.array([f"row {i % 3}" for i in range(len(entities))]).dictionary_encode(),
            "person": pa.array([key[0] for key, _ in entities], pa.string()),
            "activity": pa.array([key[1] for key, _ in entities], pa.int64()),
            "moment": pa.array([at(t) for _, t in entities], pa.timestamp("us", "UTC")),
        }
    )


def write_features(path: Path, features) -> None:
    table = pa.table(
        {
            "who": pa.array([key[0] for key, *_ in features], pa.string()),
            "what": pa.array([key[1] for key, *_ in features], pa.int32()),
            "event_timestamp": pa.array([at(r[1]) for r in features], pa.timestamp("us", "UTC")),
            "created": pa.array([at(r[2]) for r in features], pa.timestamp("us", "UTC")),
            "value": pa.array([r[3] for r in features], pa.int64()),
        }
    )
    middle = len(features) // 2
    for name, part in (("2024-01-01", table[:middle]), ("2024-02-01", table[middle:])):
        folder = path / f"interval={name}"
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(part, folder / "part.parquet")


def view(path: Path, ttl: int = 0, created: str | None = "created") -> JoinedView:
    return JoinedView(
        name="skill",
        url=str(path),
        keys=(("who", "person"), ("what", "activity")),
        features=(("value", "skill__value"),),
        types=(pa.int64(),),
        event="event_timestamp",
        created=created,
        ttl_us=ttl,
    )


def join(path: Path, entities: pa.Table, *views: JoinedView, known=True, plan="chosen"):
    with duckdb_session() as connection:
        return point_in_time_join(
            connection, entities, "moment", views, known=known, rows_per_question=PLANS[plan]
        )


def test_late_row_counts_only_once_known(tmp_path):
    # The row of tick 1 arrives at tick 5, when a row of tick 3 is there already.
    write_features(tmp_path, [(("a", 1), 3, 3, 30), (("a", 1), 1, 5, 10), (("a", 1), 3, 7, 31)])
    entities = entity_table([(("a", 1), tick) for tick in (2, 3, 5, 6, 7)])
    for plan in PLANS:
        known = join(tmp_path, entities, view(tmp_path), plan=plan)
        assert known.column("skill__value").to_pylist() == [None, 30, 30, 30, 31]
        anyhow = join(tmp_path, entities, view(tmp_path), known=False, plan=plan)
        assert anyhow.column("skill__value").to_pylist() == [10, 31, 31, 31, 31]


def test_of_rows_known_at_one_moment_the_latest_event_counts(tmp_path):
    keys = [(f"key {i}", 1) for i in range(50)]
    events = [3, 1, 4, 2]
    rows = [(key, event, 5, event) for key in keys for event in events]
    write_features(tmp_path, rows)
    entities = entity_table([(key, 6) for key in keys])
    for plan in PLANS:
        joined = join(tmp_path, entities, view(tmp_path), plan=plan)
        assert joined.column("skill__value").to_pylist() == [4] * len(keys)


@pytest.mark.parametrize(("age", "value"), [(5, 1), (6, None)])
def test_time_to_live_is_inclusive(tmp_path, age, value):
    write_features(tmp_path, [(("a", 1), 0, 0, 1)])
    for plan in PLANS:
        joined = join(tmp_path, entity_table([(("a", 1), age)]), view(tmp_path, ttl=5), plan=plan)
        assert joined.column("skill__value").to_pylist() == [value]


def test_nanoseconds_between_two_microseconds_expire_a_row(tmp_path):
    write_features(tmp_path, [(("a", 1), 0, 0, 1)])
    start_ns = int(START.timestamp()) * 10**9
    moments = pa.array([start_ns + 5_000, start_ns + 5_001], pa.timestamp("ns"))
    entities = pa.table({"person": ["a", "a"], "activity": [1, 1], "moment": moments})
    joined = join(tmp_path, entities, view(tmp_path, ttl=5))
    assert joined.column("skill__value").to_pylist() == [1, None]
    assert joined.schema.field("moment").type == pa.timestamp("ns")


@pytest.mark.parametrize(
    "kind", [pa.timestamp("ns"), pa.timestamp("ns", "UTC"), pa.timestamp("ms")]
)
def test_feature_times_of_other_types(tmp_path, kind):
    times = pa.array([START.replace(tzinfo=None)], pa.timestamp("us")).cast(pa.timestamp("ms"))
    table = pa.table({"who": ["a"], "what": [1], "event_timestamp": times.cast(kind), "value": [7]})
    pq.write_table(table, tmp_path / "rows.parquet")
    entities = entity_table([(("a", 1), 0), (("a", 1), -1)])
    for plan in PLANS:
        joined = join(tmp_path, entities, view(tmp_path, created=None), plan=plan)
        assert joined.column("skill__value").to_pylist() == [7, None]


def test_keys_of_nulls_only_and_views_without_files_give_nulls(tmp_path):
    write_features(tmp_path / "some", [(("a", 1), 0, 0, 1)])
    entities = entity_table([(("a", 1), 0)])
    nobody = entities.set_column(1, "person", pa.nulls(1))
    assert join(tmp_path, nobody, view(tmp_path / "some")).column("skill__value").null_count == 1
    empty = join(tmp_path, entities, view(tmp_path / "none")).column("skill__value")
    assert (empty.type, empty.to_pylist()) == (pa.int64(), [None])


def test_object_store(tmp_path):
    import fsspec  # noqa: PLC0415

    write_features(tmp_path, [(("a", 1), 0, 0, 1)])
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path), "/lake/skill", recursive=True)
    entities = entity_table([(("a", 1), 0)])
    level = replace(
        view("memory://lake/skill"), name="level", features=(("value", "level__value"),)
    )
    joined = join(tmp_path, entities, view("memory://lake/skill"), level)
    assert joined.column("skill__value").to_pylist() == [1]
    assert joined.column("level__value").to_pylist() == [1]


def test_errors_name_the_column(tmp_path):
    write_features(tmp_path, [(("a", 1), 0, 0, 1)])
    entities = entity_table([(("a", 1), 0)])
    with pytest.raises(FeatureStoreError, match="lacks; it has"):
        join(tmp_path, entities.drop_columns(["person"]), view(tmp_path))
    with pytest.raises(FeatureStoreError, match="full feature names"):
        join(tmp_path, entities, view(tmp_path), view(tmp_path))
