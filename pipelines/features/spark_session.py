"""The Spark session of this process."""

from typing import Final

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from pipelines.errors import SettingsError
from pipelines.features.spark_conf import spark_conf
from pipelines.settings import Settings

# `timing.microseconds`, under the name that it has on DuckDB.
_EPOCH_US: Final = (
    "CREATE OR REPLACE TEMPORARY FUNCTION epoch_us(moment TIMESTAMP) RETURNS BIGINT "
    "RETURN unix_micros(moment)"
)


def open_spark(settings: Settings) -> SparkSession:
    """Return this process's Spark session, started where there is none.

    Raises:
        SettingsError: Spark does not start, or one on another master runs in this process.
    """
    try:
        session = SparkSession.builder.config(map=spark_conf(settings)).getOrCreate()
    except (PySparkException, Py4JError) as err:
        raise SettingsError(
            f"Spark does not start on {settings.spark_master} ({err}). It needs Java 17 or 21 "
            "(make setup-spark) and a master that answers: check JAVA_HOME and "
            "WORKCAST_SPARK_MASTER."
        ) from err
    running = session.sparkContext.master
    if running != settings.spark_master:
        raise SettingsError(
            f"A Spark session on {running} runs in this process already; stop it before one on "
            f"{settings.spark_master} (WORKCAST_SPARK_MASTER) is opened."
        )
    session.sql(_EPOCH_US)
    return session
