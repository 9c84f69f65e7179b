"""What features can be joined to: frames of any kind, queries, and ranges of time."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.data_format import ParquetFormat
from feast.errors import EntityTimestampInferenceException
from feast.types import Int64, String

from pipelines.errors import FeatureStoreError
from tests.store.trips import DAY, frame, hours, open_trips

COUNT = ["trips:trip_count"]


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return open_trips(tmp_path)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_moments_of_any_unit_and_zone(store, unit, zone):
    moments = pd.Series(hours(1, 2)).dt.as_unit(unit).dt.tz_convert(zone)
    entities = frame(driver_id=["a", "a"], event_timestamp=moments)
    result = store.get_historical_features(entities, COUNT).to_arrow()
    assert result.column("trip_count").to_pylist() == [1, 2]
    # Feast makes them UTC beforehand; the unit stays.
    assert result.field("event_timestamp").type == pa.timestamp(unit, "UTC")
    assert result.column("event_timestamp").cast(pa.timestamp("us", "UTC")).to_pylist() == hours(
        1, 2
    )


@pytest.mark.parametrize(
    "moments",
    [
        ["2024-03-01T01:00:00", "2024-03-01 02:00:00"],
        ["2024-02-29T20:00:00-05:00", "2024-03-01T02:00:00Z"],
        [moment.to_pydatetime() for moment in pd.Series(hours(1, 2)).astype(object)],
    ],
)
def test_moments_as_texts_and_objects(store, moments):
    entities = frame(driver_id=["a", "a"], event_timestamp=pd.Series(moments, dtype=object))
    result = store.get_historical_features(entities, COUNT).to_df()
    assert result["trip_count"].tolist() == [1, 2]
    assert result["event_timestamp"].tolist() == hours(1, 2)


def test_frames_that_cannot_be_read(store):
    for moments in (["soon", "later"], [1, 2]):
        entities = frame(driver_id=["a", "a"], event_timestamp=moments)
        with pytest.raises(FeatureStoreError, match="cannot be read as timestamps"):
            store.get_historical_features(entities, COUNT)
    two = frame(driver_id=["a"], one=hours(1), other=hours(2))
    with pytest.raises(EntityTimestampInferenceException):
        store.get_historical_features(two, COUNT)
    keys = frame(driver_id=[[1]], event_timestamp=hours(1))
    with pytest.raises(FeatureStoreError, match="trips cannot be joined by driver_id"):
        store.get_historical_features(keys, COUNT).to_df()
    with pytest.raises(FeatureStoreError, match="a dict; give a pandas DataFrame"):
        store.get_historical_features({}, COUNT)


def test_empty_frame(store):
    entities = frame(
        driver_id=pd.Series([], dtype=str), event_timestamp=pd.to_datetime([], utc=True)
    )
    result = store.get_historical_features(entities, COUNT).to_arrow()
    assert (result.num_rows, result.field("trip_count").type) == (0, pa.int64())


def test_rows_of_a_query(store, tmp_path):
    query = f"""
        SELECT driver AS driver_id, "at" AS event_timestamp, 'x' AS note
        FROM '{tmp_path}/trips/*/*.parquet' WHERE driver = 'a' ORDER BY "at"
    """  # noqa: S608 - a path of our own
    job = store.get_historical_features(query, COUNT)
    result = job.to_df()
    assert list(result) == ["driver_id", "event_timestamp", "note", "trip_count"]
    assert result["trip_count"].tolist() == [1, 2, 2]
    assert job.metadata.keys == ["driver_id", "note"]
    assert [job.metadata.min_event_timestamp, job.metadata.max_event_timestamp] == hours(0, 2)
    texts = "SELECT 'a' AS driver_id, '2024-03-01T01:00:00Z' AS event_timestamp"
    assert store.get_historical_features(texts, COUNT).to_df()["trip_count"].tolist() == [1]
    with pytest.raises(FeatureStoreError, match="give a SELECT"):
        store.get_historical_features("SELEC 1", COUNT)


def test_keys_of_a_range_of_time(store):
    day = {"start_date": DAY, "end_date": DAY + timedelta(hours=10)}
    result = store.get_historical_features(features=COUNT, **day).to_df()
    assert result.to_dict("list") == {
        "driver_id": ["a", "b"],
        "event_timestamp": hours(10, 10),
        "trip_count": [3, 4],
    }
    # Both ends count; what was created later does not exist yet.
    one = {"start_date": DAY + timedelta(hours=1), "end_date": DAY + timedelta(hours=1)}
    result = store.get_historical_features(features=COUNT, **one).to_df()
    assert result[["driver_id", "trip_count"]].to_numpy().tolist() == [["b", 4]]
    # Naive dates are UTC. Without a start it is the time-to-live, here ten hours, before the end.
    late = (DAY + timedelta(hours=12)).replace(tzinfo=None)
    result = store.get_historical_features(features=COUNT, end_date=late).to_df()
    assert result[["driver_id", "trip_count"]].to_numpy().tolist() == [["a", 3]]
    never = store.get_historical_features(features=COUNT, end_date=DAY - timedelta(days=9))
    assert never.to_arrow().num_rows == 0


def test_keys_of_several_views_in_a_range_of_time(store, tmp_path):
    """Each view brings its own keys; a key column another view lacks is null in its rows."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    towns = pa.table(
        {
            "driver_id": ["a", "c"],
            "town": [1, 2],
            "at": pa.array(hours(1, 2), pa.timestamp("us", "UTC")),
            "visits": [10, 20],
        }
    )
    pq.write_table(towns, tmp_path / "towns.parquet")
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.STRING)
    town = Entity(name="town", join_keys=["town"], value_type=ValueType.INT64)
    source = FileSource(path="towns.parquet", file_format=ParquetFormat(), timestamp_field="at")
    fields = [Field(name="driver_id", dtype=String), Field(name="town", dtype=Int64)]
    view = FeatureView(
        name="towns",
        entities=[driver, town],
        schema=[*fields, Field(name="visits", dtype=Int64)],
        source=source,
    )
    store.apply([town, view])
    job = store.get_historical_features(
        features=["trips:trip_count", "towns:visits"],
        start_date=DAY,
        end_date=DAY + timedelta(hours=3),
    )
    rows = job.to_arrow().select(["driver_id", "town", "trip_count", "visits"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("a", 1, 2, 10),
        ("a", None, 2, None),
        ("b", None, 4, None),
        ("c", 2, None, 20),
    ]
