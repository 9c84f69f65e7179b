"""Write a frame of Spark as partitions of the lake: one sorted file an interval, replaced whole.

Spark's own writer makes files with names of its own and empties what it overwrites first. So
the workers write aside, below `<lake>/.writing/`, and then this process gives each file its
name and place, one rename an interval, as a build without Spark does.
"""

from datetime import UTC, datetime
from typing import Final

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.pandas.types import from_arrow_type

from pipelines.errors import FeatureBuildError
from pipelines.extract.lake import (
    PartitionUnit,
    list_partitions,
    partition_path,
    remove_partition,
)
from pipelines.features.spark_conf import spark_path
from pipelines.features.spark_history import arrow_columns, writing_aside
from pipelines.features.write import Dataset

_INTERVAL: Final = "interval"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def write_partitions(
    frame: DataFrame, lake: str, dataset: Dataset, partition: PartitionUnit
) -> dict[datetime, int]:
    """Write a dataset's partitions, remove the others; return the rows of each.

    Raises:
        FeatureBuildError: Spark is set to split files.
        PySparkException: a column that may not be null is; then nothing has been replaced.
    """
    frame = _without_nulls(arrow_columns(frame, dataset.schema), dataset)
    start = F.date_trunc(partition, dataset.time)
    frame = frame.withColumn(_INTERVAL, F.date_format(start, "yyyy-MM-dd"))
    # All rows of an interval in one task, in order: so each interval is one sorted file.
    frame = frame.repartition(_INTERVAL).sortWithinPartitions(_INTERVAL, *dataset.order)
    with writing_aside(lake, dataset.name) as aside:
        frame.write.partitionBy(_INTERVAL).parquet(spark_path(aside))
        counts = _put_in_place(aside, lake, dataset.folder)
    for stale in set(list_partitions(lake, dataset.folder)) - counts.keys():
        remove_partition(lake, dataset.folder, stale)
    return counts


def _without_nulls(frame: DataFrame, dataset: Dataset) -> DataFrame:
    """Declare the columns that may not be null, and fail where one is."""
    needed = {field.name: field.type for field in dataset.schema if not field.nullable}
    return frame.withColumns(
        {name: F.coalesce(name, _fail(dataset, name), _any(kind)) for name, kind in needed.items()}
    )


def _fail(dataset: Dataset, name: str) -> Column:
    return F.raise_error(
        f"The column {name} of {dataset.name} holds nulls but may not: "
        "validate the history in the lake before features are built from it."
    )


def _any(kind: pa.DataType) -> Column:
    """Return some value of a type. It is never reached: Spark only sees that there is one."""
    number = F.lit("") if pa.types.is_string(kind) else F.lit(0)
    if pa.types.is_timestamp(kind):
        return F.timestamp_seconds(number)
    return number.cast(from_arrow_type(kind))


def _put_in_place(aside: str, lake: str, folder: str) -> dict[datetime, int]:
    """Put each interval's file in its place; return the rows of each."""
    filesystem, root = fsspec.core.url_to_fs(aside)
    counts: dict[datetime, int] = {}
    for file in sorted(filesystem.glob(f"{root}/{_INTERVAL}=*/*.parquet")):
        day = str(file).rsplit("/", 2)[1].removeprefix(f"{_INTERVAL}=")
        start = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
        if start in counts:
            raise FeatureBuildError(
                f"Spark wrote more than one file for the interval {day} of {folder}: "
                "spark.sql.files.maxRecordsPerFile must be 0."
            )
        with filesystem.open(file, "rb") as content:
            counts[start] = pq.ParquetFile(content).metadata.num_rows
        _, place = fsspec.core.url_to_fs(partition_path(lake, folder, start))
        filesystem.makedirs(place.rsplit("/", 1)[0], exist_ok=True)
        filesystem.mv(file, place)
    return counts
