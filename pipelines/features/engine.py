"""Build features on the engine that the settings name."""

from datetime import datetime

from pipelines.contracts import Engine
from pipelines.features.build import BuildResult, Progress, build_features
from pipelines.features.spark_conf import require_spark
from pipelines.features.update import update_features
from pipelines.settings import Settings


def build_views(
    settings: Settings,
    until: datetime | None,
    progress: Progress | None = None,
    *,
    from_scratch: bool = False,
) -> BuildResult:
    """Build every feature view from what was recorded before `until`.

    On DuckDB only the interval since the last build is computed where that gives the same.

    Args:
        settings: lake, length of a partition, engine.
        until: see `build_features`; None means from scratch.
        progress: see `build_features`.
        from_scratch: compute all rows in any case, as Spark always does.

    Raises:
        FeatureBuildError: see `build_features`.
        SettingsError: the engine is Spark, and it is not installed or does not start.
    """
    if settings.engine is Engine.DUCKDB:
        if until is not None and not from_scratch:
            return update_features(settings.lake, until, settings.partition, progress)
        return build_features(settings.lake, until, settings.partition, progress=progress)
    require_spark()
    # Imported here, because Spark is an extra.
    from pipelines.features.spark_build import build_features_on_spark  # noqa: PLC0415
    from pipelines.features.spark_session import open_spark  # noqa: PLC0415

    session = open_spark(settings)
    return build_features_on_spark(
        session, settings.lake, until, settings.partition, progress=progress
    )
