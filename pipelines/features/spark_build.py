"""Compute the feature views on Spark: the same expressions, rows and partitions as on DuckDB."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final

import ibis
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from pipelines.contracts import CREATED_TIMESTAMP, FeatureView
from pipelines.errors import FeatureBuildError
from pipelines.extract.lake import PartitionUnit
from pipelines.features.build import BuildResult, Progress, require_zone, result_of
from pipelines.features.built import forget_built
from pipelines.features.compute import ViewComputer
from pipelines.features.history import History
from pipelines.features.spark_history import SparkTables, read_spark_history, spark_tables
from pipelines.features.spark_write import write_partitions
from pipelines.features.views import VIEWS
from pipelines.features.write import dataset_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def build_features_on_spark(  # noqa: PLR0917 - explicit parameters beat a bag
    session: SparkSession,
    lake: str,
    until: datetime | None,
    partition: PartitionUnit,
    views: Collection[FeatureView] | None = None,
    progress: Progress | None = None,
) -> BuildResult:
    """Compute feature views from what was recorded before `until` and replace their partitions.

    The rows are those of `build.build_features`, in the same order of the same files; the bytes
    are Spark's. The workers write; this process only names their files.

    Args:
        session: of `open_spark`; workers must reach the lake under the same address.
        lake: local path or fsspec URL that Spark knows too.
        until: with a time zone; excluded. None means everything, with a row for the day of
            the last recording as if it had ended.
        partition: length of a partition.
        views: views to build; None means all.
        progress: called after each view with it, the number of views done, and of all.

    Raises:
        FeatureBuildError: `until` has no time zone, a column that may not be null is, or Spark
            fails.
        SettingsError: Spark knows no such protocol.
    """
    require_zone(until)
    # The interval that a build on DuckDB would add adds to that engine's features only.
    forget_built(lake)
    chosen = [view for view in FeatureView if views is None or view in views]
    counts: dict[FeatureView, dict[datetime, int]] = {}
    try:
        with spark_tables(session, lake) as tables:
            history = read_spark_history(lake, until, tables)
            computer = ViewComputer(history, tables.keep)
            for done, view in enumerate(chosen, start=1):
                frame = tables.frame(computer.view(view))
                if until is not None:
                    frame = frame.filter(F.col(CREATED_TIMESTAMP) < F.lit(until))
                counts[view] = write_partitions(frame, lake, dataset_of(VIEWS[view]), partition)
                if progress is not None:
                    progress(view, done, len(chosen))
            watermark = until or _after_last_recording(history, tables)
    except PySparkException as err:
        raise FeatureBuildError(
            f"Spark failed to build the features ({err}); its log says where."
        ) from err
    return result_of(counts, watermark)


def _after_last_recording(history: History, tables: SparkTables) -> datetime | None:
    known = ibis.union(*(table.select("recorded_at") for table in history.tables))
    recorded = tables.frame(known)
    # As microseconds: Spark would give Python a time in this machine's zone.
    ((latest,),) = recorded.agg(F.unix_micros(F.max("recorded_at"))).collect()
    if latest is None:
        return None
    return _EPOCH + timedelta(microseconds=int(latest) + 1)
