"""The same build on a standalone cluster: a master and two workers, each a process of its own."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.contracts import Engine, FeatureView
from pipelines.features.spark_session import open_spark
from pipelines.jobs.extraction import extract_interval
from pipelines.settings import Settings
from pipelines.source.imports import import_log
from tests.conftest import SHARED_DATA
from tests.features.random_history import random_tables
from tests.features.test_build import _write
from tests.spark.conftest import WORKER_COUNT
from tests.spark.lakes import build_both, copy_history

pytestmark = pytest.mark.spark


@pytest.fixture
def on_cluster(tmp_path: Path, cluster_master: str) -> Settings:
    return Settings(
        home=tmp_path / "spark", engine=Engine.SPARK, spark_master=cluster_master, _env_file=None
    )


@pytest.fixture
def history(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Lake with a real log's history; with a random one where the public logs are not there."""
    log = SHARED_DATA / "helpdesk.csv"
    if not log.is_file():
        return _write(str(tmp_path / "random"), random_tables(11, workflow_count=200))
    database, settings = map(request.getfixturevalue, ("database", "settings"))
    import_log(database, log, max_rejected_ratio=0.05, now=datetime(2026, 1, 1, tzinfo=UTC))
    extract_interval(settings, None, None)
    return str(settings.lake)


def test_the_workers_write_what_duckdb_writes(
    history: str, on_duckdb: Settings, on_cluster: Settings
) -> None:
    copy_history(history, on_duckdb, on_cluster)
    result = build_both(on_duckdb, on_cluster)
    assert result.rows[FeatureView.WORKFLOW_PROGRESS] > 500
    stores = open_spark(on_cluster).sparkContext._jsc.sc().getExecutorMemoryStatus()
    assert stores.size() == 1 + WORKER_COUNT, "the driver's and one for each worker"
