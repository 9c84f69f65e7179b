"""What the DAG `monitor_drift` does: check the prediction log, report drift, publish the docs."""

from typing import TYPE_CHECKING

import pandas as pd
from sqlalchemy import Engine, insert, select

from pipelines.contracts import Model
from pipelines.errors import NotFoundError
from pipelines.monitoring.outcomes import WHAT_IF
from pipelines.monitoring.periods import ChampionDrift, champion_drift
from pipelines.settings import Settings
from pipelines.source.connect import open_engine
from pipelines.source.platform_tables import drift_reports, predictions
from pipelines.validate.docs import build_docs
from pipelines.validate.run import require, run_suite

if TYPE_CHECKING:
    import great_expectations as gx

# The newest answers: a fault in the log shows there first.
_CHECKED_ROWS = 100_000


def validate_prediction_log(settings: Settings, suite: "gx.ExpectationSuite") -> str:
    """Validate the newest rows of the prediction log; an empty log is sound.

    Raises:
        ValidationFailedError: a critical expectation failed.
    """
    engine = open_engine(settings)
    try:
        rows = _newest(engine)
    finally:
        engine.dispose()
    return require(run_suite(rows, suite, settings.docs_dir)).summary()


def report_drift(settings: Settings, model: str) -> str:
    """Report the champion's later window against its training period; return where to read it.

    What it found becomes a row of `workcast.drift_reports`, too, for dashboards.

    Raises:
        MonitoringError: a period is empty, or its data cannot be read.
    """
    try:
        found = champion_drift(settings, Model(model))
    except NotFoundError as err:
        return f"No report: {err}"
    result = found.result
    engine = open_engine(settings)
    try:
        with engine.begin() as connection:
            connection.execute(insert(drift_reports).values(_row(model, found)))
    finally:
        engine.dispose()
    drifted = ", ".join(result.drifted_columns) or "nothing"
    return f"{result.html_path}: {result.drifted_share:.0%} of the columns drifted ({drifted})"


def publish_docs(settings: Settings) -> str:
    """Build the data docs of all validations; return their first page."""
    return str(build_docs(settings.docs_dir, settings.report_retention))


def _row(model: str, found: ChampionDrift) -> dict[str, object]:
    result = found.result
    return {
        "drift_report_id": result.report_id,
        "model_name": model,
        "model_version": found.model_version,
        "current_until": found.current_until,
        "drifted_ratio": result.drifted_share,
        "drifted_columns": list(result.drifted_columns),
        "compared_column_count": len(result.compared_columns),
        "mae_reference": result.mae_reference,
        "mae_current": result.mae_current,
    }


def _newest(engine: Engine) -> pd.DataFrame:
    statement = (
        select(predictions)
        .where(predictions.c.variant.is_distinct_from(WHAT_IF))
        .order_by(predictions.c.requested_at.desc())
    )
    with engine.connect() as connection:
        return pd.read_sql(statement.limit(_CHECKED_ROWS), connection)
