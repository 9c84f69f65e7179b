"""How each kind of risk is scored at the watermark of the features, from what was known then."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

import duckdb
import pandas as pd
from sqlalchemy import ARRAY, Engine, Text, any_, literal, select

from pipelines.contracts import (
    CREATED_TIMESTAMP,
    EVENT_TIMESTAMP,
    FEATURES_FOLDER,
    FeatureView,
    Model,
    RiskKind,
)
from pipelines.errors import NotFoundError
from pipelines.features.history import read_history
from pipelines.features.request_time import add_request_time
from pipelines.features.views import VIEWS
from pipelines.learning.columns import WORKFLOW_ID
from pipelines.learning.predictor import Predictor
from pipelines.learning.risks.bottleneck_activity import bottleneck_activity
from pipelines.learning.risks.late_task import late_task
from pipelines.learning.risks.late_workflow import late_workflow
from pipelines.learning.risks.overloaded_person import overloaded_person
from pipelines.learning.task_duration.tasks import history_tasks
from pipelines.registry.load import load_champion
from pipelines.settings import Settings
from pipelines.source.tables import tasks as source_tasks
from pipelines.store.frames import typed_frame
from pipelines.store.moments import running_workflows
from pipelines.store.repo import open_store
from pipelines.store.scan import duckdb_session, scan_parquet
from pipelines.store.training_sets import training_set

_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True)
class Known:
    """What is known of a platform before a moment."""

    settings: Settings
    engine: Engine
    until: datetime

    @property
    def moment(self) -> pd.Timestamp:
        """The last one before `until`: what was recorded by then is known."""
        return pd.Timestamp(self.until - _TICK).tz_convert("UTC").as_unit("us")


def score_risks(known: Known, kind: RiskKind) -> pd.DataFrame:
    """Score a kind of risk; see `risk_frame`.

    Raises:
        NotFoundError: there is no champion, or there are no features.
        TrainingError: too little history to tell.
        FeatureStoreError: the features cannot be joined.
        RegistryError: MLflow refuses or does not answer.
    """
    return _SCORERS[kind](known)


def open_or_ended_tasks(known: Known) -> pd.DataFrame:
    """Return the tasks as `late_task` reads them, as known.

    A task that a closed workflow left open ended with it, unfinished; one whose log has no
    creations began with its start. Due dates are the source's, which keeps the latest ones only.
    """
    history = read_history(known.settings.lake, known.until)
    tasks = history_tasks(history.task_events.to_pandas())
    closures = history.workflow_closures.to_pandas().sort_values("recorded_at")
    closed_at = tasks[WORKFLOW_ID].map(closures.groupby(WORKFLOW_ID)["closed_at"].last())
    is_left = tasks["completed_at"].isna() & tasks["cancelled_at"].isna()
    tasks = tasks.assign(
        created_at=tasks["created_at"].fillna(tasks["started_at"]),
        # Where nothing is closed, or cancelled, the column has no type yet.
        cancelled_at=pd.to_datetime(tasks["cancelled_at"].where(~is_left, closed_at), utc=True),
    )
    open_ids = tasks.loc[is_left & closed_at.isna(), "task_id"]
    due_at = tasks["task_id"].map(_due_dates(known.engine, open_ids.to_list()))
    return tasks.assign(due_at=pd.to_datetime(due_at, utc=True))


def view_rows(known: Known, view: FeatureView, columns: list[str]) -> pd.DataFrame:
    """Return a feature view's rows as known: its keys, both timestamps and `columns`.

    Raises:
        NotFoundError: no features have been built.
    """
    lake = known.settings.lake
    with duckdb_session(threads=1) as connection:
        rows = scan_parquet(connection, f"{lake}/{FEATURES_FOLDER}/{view.value}")
        if rows is None:
            raise NotFoundError(f"The lake at {lake} has no rows of {view}: run build_features.")
        moment = duckdb.ConstantExpression(known.moment.to_pydatetime())
        is_known = (duckdb.ColumnExpression(CREATED_TIMESTAMP) <= moment) & (
            duckdb.ColumnExpression(EVENT_TIMESTAMP) <= moment
        )
        names = [*VIEWS[view].entity_columns, EVENT_TIMESTAMP, CREATED_TIMESTAMP, *columns]
        found = rows.filter(is_known).select(*map(duckdb.ColumnExpression, names))
        return typed_frame(found.to_arrow_table())


def _late_workflows(known: Known) -> pd.DataFrame:
    settings = known.settings
    champion = load_champion(Model.DELAY_RISK.value, settings.mlflow, settings.model_cache)
    predictor = cast("Predictor", champion.predictor)
    running = running_workflows(settings.lake, known.until)
    lifetime = timedelta(days=VIEWS[FeatureView.WORKFLOW_PROGRESS].ttl_days)
    running = running[running["last_event_at"] > known.until - lifetime]
    as_of = pd.Timestamp(known.until).tz_convert("UTC").as_unit("us")
    if running.empty:
        raise NotFoundError(f"No workflow is running at {as_of}.")
    questions = running[[WORKFLOW_ID]].assign(**{EVENT_TIMESTAMP: known.moment})
    rows = training_set(open_store(settings), questions, champion.feature_service)
    rows = add_request_time(rows.assign(as_of=as_of))
    return late_workflow(rows, predictor, as_of)


def _late_tasks(known: Known) -> pd.DataFrame:
    quantile = known.settings.late_quantile
    return late_task(open_or_ended_tasks(known), known.moment, late_quantile=quantile)


def _overloaded_people(known: Known) -> pd.DataFrame:
    columns = ["open_task_count", "completed_count_7d", "completed_count_30d"]
    rows = view_rows(known, FeatureView.PERSON_WORKLOAD, columns)
    return overloaded_person(rows, known.moment)


def _bottlenecks(known: Known) -> pd.DataFrame:
    columns = ["open_task_count", "completed_count_30d"]
    return bottleneck_activity(view_rows(known, FeatureView.ACTIVITY_STATS, columns), known.moment)


_SCORERS: Final[Mapping[RiskKind, Callable[[Known], pd.DataFrame]]] = {
    RiskKind.LATE_TASK: _late_tasks,
    RiskKind.OVERLOADED_PERSON: _overloaded_people,
    RiskKind.BOTTLENECK_ACTIVITY: _bottlenecks,
    RiskKind.LATE_WORKFLOW: _late_workflows,
}


def _due_dates(engine: Engine, task_ids: list[str]) -> dict[str, Any]:
    columns = source_tasks.c
    query = select(columns.task_id, columns.due_at).where(
        columns.due_at.is_not(None), columns.task_id == any_(literal(task_ids, ARRAY(Text)))
    )
    with engine.connect() as connection:
        return {row.task_id: row.due_at for row in connection.execute(query)}
