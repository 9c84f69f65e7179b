"""What really happened to the workflows that were predicted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import duckdb
import pandas as pd
from sqlalchemy import Engine, func, select, true

from pipelines.contracts import HistoryTable, Model
from pipelines.errors import MonitoringError
from pipelines.features.history import SCHEMAS
from pipelines.learning.columns import LIMIT_AT
from pipelines.learning.labels import workflow_labels
from pipelines.source.platform_tables import predictions
from pipelines.store.frames import typed_frame
from pipelines.store.scan import duckdb_session, scan_parquet

ANSWER: Final = {
    Model.REMAINING_TIME: "remaining_time_s",
    Model.DELAY_RISK: "late_probability",
}
SHADOW: Final = "shadow"
WHAT_IF: Final = "what_if"
_COLUMNS: Final = (
    "prediction_id",
    "model_name",
    "model_version",
    "workflow_id",
    "as_of",
    "requested_at",
    "features",
    "output",
    "is_degraded",
    "variant",
    "propensity",
)
_MOMENT_COLUMNS: Final = ("workflow_id", "occurred_at", "recorded_at")


def read_predictions(
    engine: Engine,
    model: Model,
    start: datetime,
    end: datetime,
    *,
    with_shadows: bool = False,
) -> pd.DataFrame:
    """Read the logged answers of a model about moments in [start, end), in order of as_of.

    Shadows, which were shown to nobody, are no answers; they come along only when asked for. What
    would be if a workflow were another never does: nothing that happens tells whether it is so.
    """
    shown = predictions.c.variant.is_distinct_from(SHADOW)
    first = predictions.alias("first")
    # An answer from the cache was given what the one it repeats was given.
    columns = {name: predictions.c[name] for name in _COLUMNS} | {
        "features": func.coalesce(first.c.features, predictions.c.features)
    }
    statement = (
        select(*columns.values())
        .select_from(
            predictions.outerjoin(first, predictions.c.cached_from == first.c.prediction_id)
        )
        .where(predictions.c.model_name == model.value)
        .where(predictions.c.as_of >= start, predictions.c.as_of < end)
        .where(predictions.c.variant.is_distinct_from(WHAT_IF))
        .where(true() if with_shadows else shown)
        .order_by(predictions.c.as_of, predictions.c.prediction_id)
    )
    with engine.connect() as connection:
        frame = pd.DataFrame(connection.execute(statement), columns=list(_COLUMNS))
    for name in ("as_of", "requested_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame


def read_outcomes(
    lake: str, until: datetime, late_quantile: float, train_end: datetime
) -> pd.DataFrame:
    """Read what had been recorded before `until` of how each workflow ended.

    `late_quantile` and `train_end` are those the model's labels were made with.

    Returns:
        See `workflow_labels`.
    """
    with duckdb_session() as connection:
        workflows = _known(connection, lake, HistoryTable.WORKFLOWS, until)
        closures = _known(connection, lake, HistoryTable.WORKFLOW_CLOSURES, until)
        events = _known(connection, lake, HistoryTable.TASK_EVENTS, until, _MOMENT_COLUMNS)
    return workflow_labels(workflows, closures, late_quantile, pd.Timestamp(train_end), events)


def join_outcomes(answered: pd.DataFrame, outcomes: pd.DataFrame, model: Model) -> pd.DataFrame:
    """Put what was predicted beside what happened.

    Adds `predicted` and `actual`: seconds for remaining time, a probability and 0 or 1 for
    delay risk; `actual` is missing as long as it is not known, and where the workflow was late
    already when it was asked about: that is no prediction. The inputs stay as they are.

    Raises:
        MonitoringError: an answer lacks the model's figure.
    """
    figure = ANSWER[model]
    predicted = answered["output"].map(lambda output: output.get(figure))
    if predicted.isna().any():
        missing = answered.loc[predicted.isna(), "prediction_id"].iloc[0]
        raise MonitoringError(f"Prediction {missing} has no {figure} in its output.")
    facts = outcomes.reindex(answered["workflow_id"])
    if model is Model.REMAINING_TIME:
        closed_at = facts["closed_at"].reset_index(drop=True)
        as_of = answered["as_of"].reset_index(drop=True)
        actual = (closed_at - as_of).dt.total_seconds().to_numpy()
    else:
        actual = facts["is_late"].astype("Float64").to_numpy(dtype="float64", na_value=float("nan"))
        is_overdue = answered["as_of"].reset_index(drop=True) > facts[LIMIT_AT].reset_index(
            drop=True
        )
        actual[is_overdue] = float("nan")
    return answered.assign(predicted=predicted.astype("float64"), actual=actual)


def _known(
    connection: duckdb.DuckDBPyConnection,
    lake: str,
    table: HistoryTable,
    until: datetime,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    names = list(columns or SCHEMAS[table].names)
    rows = scan_parquet(connection, f"{lake.rstrip('/')}/history/{table.value}")
    if rows is None:
        return typed_frame(SCHEMAS[table].empty_table().select(names))
    recorded = duckdb.ColumnExpression("recorded_at")
    known = rows.filter(recorded < duckdb.ConstantExpression(until)).select(*names)
    return typed_frame(known.to_arrow_table())
