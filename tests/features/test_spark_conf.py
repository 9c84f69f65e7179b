"""How Spark is set up, on a machine that need not have it."""

from pathlib import Path

import pytest

from pipelines.contracts import Engine
from pipelines.errors import SettingsError
from pipelines.features import spark_conf as module
from pipelines.features.engine import build_views
from pipelines.features.spark_conf import spark_conf, spark_path
from pipelines.settings import Settings
from pipelines.store.definitions import feast_definitions
from pipelines.store.repo import repo_config


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/data/lake/", "file:///data/lake"),
        ("file:///data/lake", "file:///data/lake"),
        ("s3://bucket/lake", "s3a://bucket/lake"),
        ("s3a://bucket/lake/", "s3a://bucket/lake"),
        ("gcs://bucket/lake", "gs://bucket/lake"),
        ("abfs://box@account.dfs.example/lake", "abfs://box@account.dfs.example/lake"),
        ("hdfs://name:9000/lake", "hdfs://name:9000/lake"),
    ],
)
def test_the_lake_has_the_address_that_hadoop_knows(url: str, path: str) -> None:
    assert spark_path(url) == path


def test_a_relative_path_becomes_whole() -> None:
    assert spark_path("lake") == f"file://{Path.cwd()}/lake"


def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(SettingsError, match=r"memory://lake.*WORKCAST_LAKE_URL.*s3://"):
        spark_path("memory://lake")


def test_one_machine_listens_on_loopback_and_a_cluster_is_left_alone() -> None:
    local, cluster = (
        spark_conf(Settings(engine=Engine.SPARK, spark_master=master, _env_file=None))
        for master in ("local[4]", "spark://master:7077")
    )
    assert local["spark.driver.host"] == local["spark.driver.bindAddress"] == "127.0.0.1"
    assert "spark.driver.host" not in cluster
    assert "spark.sql.shuffle.partitions" not in cluster
    for conf in (local, cluster):
        assert conf["spark.sql.session.timeZone"] == "UTC"
        assert conf["spark.sql.parquet.outputTimestampType"] == "TIMESTAMP_MICROS"


@pytest.mark.parametrize("use", [repo_config, lambda settings: build_views(settings, None)])
def test_without_spark_the_setting_says_what_to_do(
    use: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    settings = Settings(engine=Engine.SPARK, _env_file=None)
    with pytest.raises(SettingsError, match=r"WORKCAST_ENGINE is spark.*make setup-spark"):
        use(settings)  # type: ignore[operator]


def test_the_same_repository_for_both_engines() -> None:
    duckdb, spark = (feast_definitions("s3://bucket/lake", engine) for engine in Engine)
    assert duckdb.views.keys() == spark.views.keys()
    assert duckdb.services.keys() == spark.services.keys()
    assert not duckdb.sources & spark.sources, "Feast cannot replace a source by another kind"
    for name, view in spark.views.items():
        assert view.schema == duckdb.views[name].schema
        assert view.ttl == duckdb.views[name].ttl
        assert view.batch_source.path == f"s3a://bucket/lake/features/{name}/interval=*/*.parquet"
