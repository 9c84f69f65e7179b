"""A lake in an object store (S3's protocol, from moto's server) works as one in a folder does."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import boto3
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import s3fs

from pipelines.contracts import FeatureView, HistoryTable
from pipelines.extract.lake import list_partitions, read_partition, replace_partition
from pipelines.features.build import build_features
from pipelines.store.moments import prediction_moments, running_workflows
from pipelines.store.scan import duckdb_session, scan_parquet
from tests.features.random_history import random_tables

pytestmark = pytest.mark.integration
UNTIL = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def s3_lake(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        bucket = f"lake-{uuid4().hex[:8]}"
        boto3.client("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        s3fs.S3FileSystem.clear_instance_cache()
        yield f"s3://{bucket}/workcast"
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        server.terminate()
        server.wait(10)


def test_features_moments_and_scans_are_those_of_a_folder(s3_lake: str, tmp_path: Path) -> None:
    tables = random_tables(3, 20)
    local = str(tmp_path)
    for lake in (local, s3_lake):
        _write(lake, tables)
        build_features(lake, None, "month")
    for view in FeatureView:
        folder = f"features/{view}"
        assert list_partitions(s3_lake, folder) == list_partitions(local, folder) != []
        for start in list_partitions(local, folder):
            assert read_partition(s3_lake, folder, start).equals(
                read_partition(local, folder, start)
            ), view
    there, here = (prediction_moments(lake, UNTIL, 0, 1_000) for lake in (s3_lake, local))
    assert there.equals(here)
    assert running_workflows(s3_lake, UNTIL).equals(running_workflows(local, UNTIL))
    with duckdb_session() as connection:
        for view in FeatureView:  # one connection, several views
            there, here = (
                scan_parquet(connection, f"{lake}/features/{view}") for lake in (s3_lake, local)
            )
            assert there is not None
            assert here is not None
            assert there.count("*").fetchall() == here.count("*").fetchall()


def _write(lake: str, tables: Mapping[HistoryTable, pa.Table]) -> None:
    for name, table in tables.items():
        months = pc.floor_temporal(table["recorded_at"], unit="month")
        for month in pc.unique(months).to_pylist():
            rows = table.filter(pc.equal(months, month))
            replace_partition(lake, f"history/{name}", month.astimezone(UTC), rows)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, "moto's server did not start"
            time.sleep(0.1)
        else:
            return
