"""Feast's own `materialize` and online reads, over the lake's offline store and Valkey."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redis
from feast import FeatureView, Field, FileSource
from feast.data_format import ParquetFormat
from feast.types import Int64

from tests.store.trips import DAY, hours, open_trips

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("pull_latest", [True, False])
def test_feast_materialize(tmp_path: Path, valkey_url: str, pull_latest: bool) -> None:
    redis.Redis.from_url(valkey_url).flushall()
    address = urlsplit(valkey_url)
    connection = f"{address.hostname}:{address.port},db=0"
    store = open_trips(
        tmp_path,
        online_store={"type": "redis", "connection_string": connection},
        materialization={"pull_latest_features": pull_latest},
    )
    totals = pa.table({"at": pa.array(hours(0, 2), pa.timestamp("us", "UTC")), "total": [1, 2]})
    pq.write_table(totals, tmp_path / "totals.parquet")
    source = FileSource(path="totals.parquet", file_format=ParquetFormat(), timestamp_field="at")
    # A view without entities has one row for all. No SQL store of Feast's pulls all rows of it.
    names = ["trips", "all"] if pull_latest else ["trips"]
    store.apply([FeatureView(name="all", schema=[Field(name="total", dtype=Int64)], source=source)])
    store.materialize(DAY, DAY + timedelta(hours=3), feature_views=names)
    online = store.get_online_features(
        ["trips:trip_count", "trips:mood", "all:total"],
        [{"driver_id": "a"}, {"driver_id": "b"}, {"driver_id": "nobody"}],
    ).to_dict()
    # Feast knows no "as known" here: of the rows with one event time the last created counts.
    assert online["trip_count"] == [3, 4, None]
    assert online["mood"] == ["bad", "fair", None]
    assert online["total"] == ([2, 2, 2] if pull_latest else [None] * 3)
