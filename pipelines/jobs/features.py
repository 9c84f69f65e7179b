"""What the DAG `build_features` does: validate, compute, validate, apply, materialise."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pipelines.contracts import Stage
from pipelines.errors import FeatureStoreError
from pipelines.features.engine import build_views
from pipelines.settings import Settings
from pipelines.source.connect import open_engine
from pipelines.source.watermarks import get_watermark, set_watermark
from pipelines.store.materialize import Materialized, Progress, materialize
from pipelines.validate.features import validate_features
from pipelines.validate.history import validate_history

if TYPE_CHECKING:
    import great_expectations as gx

_log: Final = logging.getLogger(__name__)
_MISSING: Final = {
    Stage.EXTRACT: "Nothing is extracted yet: run the DAG extract_history first.",
    Stage.FEATURES: "No features are built yet: run the DAG build_features first.",
}


def validate_history_until(
    settings: Settings, until: str | None, suites: Mapping[str, "gx.ExpectationSuite"]
) -> str:
    """Validate the lake's history and say until when features shall be built.

    Returns:
        `until`, or the watermark of the extraction, as ISO 8601.

    Raises:
        FeatureStoreError: nothing has been extracted yet.
        ValidationFailedError: a critical expectation failed.
    """
    moment = datetime.fromisoformat(until) if until else _watermark(settings, Stage.EXTRACT)
    validate_history(settings.lake, suites, settings.docs_dir)
    return moment.isoformat()


def compute_views(settings: Settings, until: str, *, from_scratch: bool = False) -> str:
    """Bring every feature view up to what was recorded before `until`.

    Computes the rows of the interval since the last build, or all of them where `from_scratch`
    is said or anything that build was made from has changed; both give the same rows.
    """
    result = build_views(settings, datetime.fromisoformat(until), from_scratch=from_scratch)
    rows = f"{sum(result.rows.values()):,} rows in {sum(result.partitions.values())} partitions"
    how = f"from scratch ({result.because or 'asked for'})"
    if result.since is not None:
        how = f"the interval since {result.since}"
    _log.info("Features until %s, %s: %s", until, how, rows)
    return until


def validate_views(
    settings: Settings, until: str, suites: Mapping[str, "gx.ExpectationSuite"]
) -> str:
    """Validate every feature view.

    Raises:
        ValidationFailedError: a critical expectation failed.
    """
    validate_features(settings.lake, suites, settings.docs_dir)
    return until


def materialise_views(settings: Settings, until: str) -> None:
    """Write the latest rows as known at `until` online, then move the watermark."""
    moment = datetime.fromisoformat(until)
    materialize(settings, None, moment)
    engine = open_engine(settings)
    try:
        set_watermark(engine, Stage.FEATURES, moment)
    finally:
        engine.dispose()


def fill_online(settings: Settings, progress: Progress | None = None) -> Materialized:
    """Write every key's latest row online, as known at the watermark of the last build.

    For a Valkey that is empty or older than the lake. Not beside the DAG `build_features`, which
    would write other rows of the same keys.

    Raises:
        FeatureStoreError: no features were built yet, or Valkey does not answer.
    """
    return materialize(settings, None, _watermark(settings, Stage.FEATURES), progress)


def _watermark(settings: Settings, stage: Stage) -> datetime:
    engine = open_engine(settings)
    try:
        moment = get_watermark(engine, stage)
    finally:
        engine.dispose()
    if moment is None:
        raise FeatureStoreError(_MISSING[stage])
    return moment
