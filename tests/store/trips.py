"""A small feature store of drivers' trips, with a registry in a file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import (
    Entity,
    FeatureService,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    RepoConfig,
    RequestSource,
    ValueType,
)
from feast.data_format import ParquetFormat
from feast.feature_logging import LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String

DAY = datetime(2024, 3, 1, tzinfo=UTC)
CONFIG = {
    "project": "test",
    "provider": "local",
    "online_store": None,
    "offline_store": {"type": "pipelines.store.offline.DuckDBLakeOfflineStore"},
    "entity_key_serialization_version": 3,
}


def hours(*counts: float) -> list[datetime]:
    return [DAY + timedelta(hours=count) for count in counts]


def open_trips(tmp_path: Path, **settings) -> FeatureStore:
    """A store with drivers' trips: one row is corrected later, one is of another driver."""
    rows = pa.table(
        {
            "driver": ["a", "a", "a", "b"],
            "at": pa.array(hours(0, 2, 2, 1), pa.timestamp("us", "UTC")),
            "known": pa.array(hours(0, 2, 9, 1), pa.timestamp("us", "UTC")),
            "trips_raw": [1, 2, 3, 4],
            "mood": ["good", None, "bad", "fair"],
        }
    )
    folder = tmp_path / "trips" / "interval=2024-03-01"
    folder.mkdir(parents=True)
    pq.write_table(rows, folder / "part.parquet")
    config = RepoConfig(**CONFIG | settings, registry=str(tmp_path / "registry.db"))
    config.repo_path = tmp_path
    opened = FeatureStore(config=config)
    opened.apply(definitions(tmp_path))
    return opened


def definitions(tmp_path: Path):
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.STRING)
    trips = FeatureView(
        name="trips",
        entities=[driver],
        ttl=timedelta(hours=10),
        schema=[
            Field(name="driver_id", dtype=String),
            Field(name="trip_count", dtype=Int64),
            Field(name="mood", dtype=String),
        ],
        source=FileSource(
            path="trips",  # relative to the repository
            file_format=ParquetFormat(),
            timestamp_field="at",
            created_timestamp_column="known",
            field_mapping={"trips_raw": "trip_count", "driver": "driver_id"},
        ),
    )
    asked = RequestSource(name="asked", schema=[Field(name="factor", dtype=Int64)])

    @on_demand_feature_view(
        sources=[trips, asked], schema=[Field(name="scaled", dtype=Float64)], mode="pandas"
    )
    def scaled_trips(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"scaled": (inputs["trip_count"] * inputs["factor"]).astype(float)})

    service = FeatureService(
        name="logged",
        features=[trips[["trip_count"]]],
        logging_config=LoggingConfig(FileLoggingDestination(path=str(tmp_path / "log"))),
    )
    return [driver, trips, scaled_trips, service]


def frame(**columns) -> pd.DataFrame:
    return pd.DataFrame(columns)
