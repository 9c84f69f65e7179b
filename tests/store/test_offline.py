"""The offline store through Feast's own calls."""

from datetime import timedelta
from pathlib import Path
from unittest.mock import MagicMock

import pandas as pd
import pyarrow as pa
import pytest
from feast import FeatureService, FeatureStore, FileSource
from feast.data_format import DeltaFormat, ParquetFormat
from feast.dqm.errors import ValidationFailed
from feast.dqm.profilers.profiler import Profile, ValidationReport
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.saved_dataset import ValidationReference

from pipelines.errors import FeatureStoreError
from pipelines.store.source import source_url
from tests.store.trips import DAY, frame, hours, open_trips


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return open_trips(tmp_path)


def test_as_known_by_default_and_at_once_on_request(store):
    entities = frame(driver_id=["a"] * 3, event_timestamp=hours(1, 3, 10))
    refs = ["trips:trip_count"]
    assert store.get_historical_features(entities, refs).to_df()["trip_count"].tolist() == [1, 2, 3]
    asked = store.get_historical_features(entities, refs, filter_by_created_timestamp=True)
    assert asked.to_df()["trip_count"].tolist() == [1, 2, 3]
    store.config.offline_store.filter_by_created_timestamp = False
    hindsight = store.get_historical_features(entities, refs).to_df()
    assert hindsight["trip_count"].tolist() == [1, 3, 3]


def test_order_types_duplicates_and_unmatched_rows_stay(store):
    entities = frame(
        text=pd.Categorical(["x", "y", "x", "x"]),
        driver_id=["b", "nobody", "a", "b"],
        moment=pd.to_datetime(hours(2, 2, 2, 2)).as_unit("ns"),
        number=pd.array([1, None, 3, 1], dtype="Int64"),
    )
    job = store.get_historical_features(
        entities, ["trips:mood", "trips:trip_count"], full_feature_names=True
    )
    result = job.to_df()
    assert list(result) == [*entities, "trips__mood", "trips__trip_count"]
    assert result["trips__mood"].tolist() == ["fair", None, None, "fair"]
    assert job.to_arrow().column("trips__trip_count").to_pylist() == [4, None, 2, 4]
    pd.testing.assert_frame_equal(result[list(entities)], entities)


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_moments_of_any_zone(store, zone):
    moments = pd.Series(hours(1, 2)).dt.tz_convert(zone)
    result = store.get_historical_features(
        frame(driver_id=["a", "a"], event_timestamp=moments), ["trips:trip_count"]
    ).to_df()
    assert result["trip_count"].tolist() == [1, 2]


def test_view_under_another_name_and_key(store):
    trips = store.get_feature_view("trips")
    ride = trips.with_name("ride").with_join_key_map({"driver_id": "passenger"})
    store.apply([FeatureService(name="rides", features=[ride])])
    result = store.get_historical_features(
        frame(driver_id=["a"], passenger=["b"], event_timestamp=hours(3)),
        store.get_feature_service("rides"),
        full_feature_names=True,
    ).to_df()
    assert result["ride__trip_count"].tolist() == [4]


def test_on_demand_features(store):
    result = store.get_historical_features(
        frame(driver_id=["a", "b"], event_timestamp=hours(3, 3), factor=[10, 100]),
        ["trips:trip_count", "scaled_trips:scaled"],
    ).to_df()
    assert result["scaled"].tolist() == [20.0, 400.0]


def test_saved_dataset_comes_back(store, tmp_path):
    entities = frame(driver_id=["a", "b"], event_timestamp=hours(3, 3))
    job = store.get_historical_features(entities, ["trips:trip_count", "trips:mood"])
    storage = SavedDatasetFileStorage(path=str(tmp_path / "saved"))
    store.create_saved_dataset(job, "saved", storage)
    back = store.get_saved_dataset("saved").to_df().sort_values("driver_id", ignore_index=True)
    assert back[["driver_id", "trip_count"]].to_numpy().tolist() == [["a", 2], ["b", 4]]
    with pytest.raises(SavedDatasetLocationAlreadyExists):
        job.persist(storage)
    job.persist(storage, allow_overwrite=True)


class AtMost(Profile):
    """A profile that refuses counts above a limit."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def validate(self, dataset: pd.DataFrame) -> ValidationReport:
        report = MagicMock(spec=ValidationReport)
        report.is_success = bool((dataset["trip_count"] <= self.limit).all())
        return report

    def to_proto(self):
        raise NotImplementedError

    @classmethod
    def from_proto(cls, proto):
        raise NotImplementedError


def test_validation_reference(store):
    entities = frame(driver_id=["a", "b"], event_timestamp=hours(3, 3))
    job = store.get_historical_features(entities, ["trips:trip_count"])
    reference = MagicMock(spec=ValidationReference)
    reference.profile = AtMost(4)
    assert job.to_df(validation_reference=reference)["trip_count"].tolist() == [2, 4]
    reference.profile = AtMost(3)
    with pytest.raises(ValidationFailed):
        job.to_arrow(validation_reference=reference)


def test_one_view_under_two_names(store):
    trips = store.get_feature_view("trips")
    both = [
        trips.with_name(name).with_join_key_map({"driver_id": f"{name}_id"})
        for name in ("first", "second")
    ]
    store.apply([FeatureService(name="pairs", features=[view[["trip_count"]] for view in both])])
    result = store.get_historical_features(
        frame(first_id=["a", "b"], second_id=["b", "nobody"], event_timestamp=hours(3, 3)),
        store.get_feature_service("pairs"),
        full_feature_names=True,
    ).to_arrow()
    assert result.column("first__trip_count").to_pylist() == [2, 4]
    assert result.column("second__trip_count").to_pylist() == [4, None]


def test_pull_latest_and_pull_all(store):
    offline = store._get_provider().offline_store
    source = store.get_feature_view("trips").batch_source
    columns = {
        "config": store.config,
        "data_source": source,
        "join_key_columns": ["driver"],
        "feature_name_columns": ["trips_raw"],
        "timestamp_field": "at",
        "created_timestamp_column": "known",
        "start_date": DAY,
        "end_date": DAY + timedelta(hours=2),
    }
    latest = offline.pull_latest_from_table_or_query(**columns).to_arrow()
    assert latest.column_names == ["driver", "trips_raw", "at", "known"]
    assert sorted(latest.column("trips_raw").to_pylist()) == [3, 4]
    every = offline.pull_all_from_table_or_query(
        **columns | {"start_date": DAY + timedelta(hours=1)}
    )
    assert sorted(every.to_arrow().column("trips_raw").to_pylist()) == [2, 3, 4]


def test_rows_written_are_joined(store):
    later = frame(
        driver=["a"],
        at=hours(4),
        known=hours(4),
        trips_raw=[40],
        mood=["new"],
    )
    store.write_to_offline_store("trips", later)
    result = store.get_historical_features(
        frame(driver_id=["a"], event_timestamp=hours(5)), ["trips:trip_count"]
    ).to_df()
    assert result["trip_count"].tolist() == [40]
    with pytest.raises(ValueError, match="mood"):
        store.write_to_offline_store("trips", later.drop(columns="mood"))


def test_logged_features_come_back(store):
    service = store.get_feature_service("logged")
    rows = pa.table(
        {
            "driver_id": ["a"],
            "trips__trip_count": pa.array([2], pa.int64()),
            "trips__trip_count__timestamp": pa.array(hours(2), pa.timestamp("us", "UTC")),
            "trips__trip_count__status": pa.array([1], pa.int32()),
            "__log_timestamp": pa.array(hours(3), pa.timestamp("us", "UTC")),
            "__log_date": pa.array([DAY.date()]),
            "__request_id": ["r"],
        }
    )
    store.write_logged_features(rows, service)
    store.write_logged_features(rows, service)
    job = store._get_provider().retrieve_feature_service_logs(
        service, DAY, DAY + timedelta(days=1), store.config, store.registry
    )
    assert job.to_arrow().column("trips__trip_count").to_pylist() == [2, 2]


def test_sources_that_cannot_be_read(tmp_path):
    s3 = {"path": "s3://lake/trips", "file_format": ParquetFormat()}
    with pytest.raises(FeatureStoreError, match="FSSPEC_S3_ENDPOINT_URL"):
        source_url(FileSource(**s3, s3_endpoint_override="http://localhost:9000"), tmp_path)
    with pytest.raises(FeatureStoreError, match="with Parquet files"):
        source_url(FileSource(path="trips", file_format=DeltaFormat()), tmp_path)
    with pytest.raises(FeatureStoreError, match="NoneType"):
        source_url(None, tmp_path)
    assert source_url(FileSource(**s3), tmp_path) == "s3://lake/trips"
