"""How Spark is set up and addresses the lake, in one place; needs no Spark to be installed."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pipelines.errors import SettingsError
from pipelines.settings import Settings

_LOCAL: Final = "local"
# Of one shuffle on one machine; Spark's 200 in all would mostly be empty.
_TASKS_PER_CORE: Final = 2
# What fsspec calls a protocol, and what Hadoop calls it.
_PROTOCOLS: Final = {
    "s3": "s3a",
    "s3a": "s3a",
    "gs": "gs",
    "gcs": "gs",
    "abfs": "abfs",
    "abfss": "abfss",
    "hdfs": "hdfs",
    "file": "file",
}


def require_spark() -> None:
    """Check that Spark is installed.

    Raises:
        SettingsError: it is not.
    """
    if find_spec("pyspark") is None:
        raise SettingsError(
            "WORKCAST_ENGINE is spark, but pyspark is not installed: run make setup-spark and use "
            ".venv-spark/bin/workcast, or install workcast[spark]."
        )


def spark_conf(settings: Settings) -> dict[str, str]:
    """Return the session's configuration; what is not in it comes from `spark-defaults.conf`."""
    conf = {
        "spark.app.name": "workcast",
        "spark.master": settings.spark_master,
        # The lake's times are UTC in microseconds, whatever the machines' zones are.
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.timestampType": "TIMESTAMP_LTZ",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        # A value that cannot be computed is an error, not a null.
        "spark.sql.ansi.enabled": "true",
        # Feast's store turns this on in the session it shares, and then `a` is a pattern.
        "spark.sql.parser.quotedRegexColumnNames": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    if settings.spark_master.startswith(_LOCAL):
        conf |= {
            "spark.driver.host": settings.bind_host,
            "spark.driver.bindAddress": settings.bind_host,
            "spark.ui.enabled": "false",
            "spark.sql.shuffle.partitions": str(_TASKS_PER_CORE * (os.cpu_count() or 1)),
        }
    return conf


def spark_path(url: str) -> str:
    """Return a path or fsspec URL of the lake as Hadoop writes it, without a trailing slash.

    Raises:
        SettingsError: Spark knows no such protocol.
    """
    url = url.rstrip("/")
    protocol = urlsplit(url).scheme
    if "://" not in url:
        return f"file://{Path(url).absolute()}"
    if protocol not in _PROTOCOLS:
        raise SettingsError(
            f"Spark cannot read the lake at {url}: WORKCAST_LAKE_URL is a path or begins with "
            f"{', '.join(f'{name}://' for name in _PROTOCOLS)}."
        )
    return _PROTOCOLS[protocol] + url[len(protocol) :]
