"""The same build on a standalone cluster: a master and two workers, each a process of its own."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine as Database

from pipelines.contracts import Engine, FeatureView
from pipelines.features.build import build_features
from pipelines.features.spark_build import build_features_on_spark
from pipelines.features.spark_session import open_spark
from pipelines.jobs.extraction import extract_interval
from pipelines.settings import Settings
from pipelines.source.imports import import_log
from tests.features.random_history import random_tables
from tests.features.test_build import _write
from tests.spark.conftest import WORKER_COUNT
from tests.spark.lakes import assert_same_features, build_both, copy_history

pytestmark = pytest.mark.spark


@pytest.fixture
def on_cluster(tmp_path: Path, cluster_master: str) -> Settings:
    return Settings(
        home=tmp_path / "spark", engine=Engine.SPARK, spark_master=cluster_master, _env_file=None
    )


def test_the_workers_write_what_duckdb_writes(
    on_duckdb: Settings, on_cluster: Settings, tmp_path: Path
) -> None:
    views = [FeatureView.WORKFLOW_STATUS, FeatureView.PERSON_ACTIVITY]
    source = _write(str(tmp_path), random_tables(11, workflow_count=30))
    copy_history(source, on_duckdb, on_cluster)
    session = open_spark(on_cluster)
    expected = build_features(on_duckdb.lake, None, "month", views)
    found = build_features_on_spark(session, on_cluster.lake, None, "month", views)
    assert found == expected
    assert_same_features(on_duckdb.lake, on_cluster.lake, views)
    stores = session.sparkContext._jsc.sc().getExecutorMemoryStatus()
    assert stores.size() == 1 + WORKER_COUNT, "the driver's and one for each worker"


@pytest.mark.shared_logs
def test_a_real_log_is_the_same_on_both_engines(
    shared_data: Path,
    settings: Settings,
    database: Database,
    on_duckdb: Settings,
    on_cluster: Settings,
) -> None:
    log = shared_data / "helpdesk.csv"
    import_log(database, log, max_rejected_ratio=0.05, now=datetime(2026, 1, 1, tzinfo=UTC))
    extract_interval(settings, None, None)
    copy_history(settings.lake, on_duckdb, on_cluster)
    result = build_both(on_duckdb, on_cluster)
    assert result.rows[FeatureView.WORKFLOW_PROGRESS] > 20_000
