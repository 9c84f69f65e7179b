"""A stack whose every model has learned from a small simulated company, without Airflow."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self
from zlib import crc32

import httpx
from sqlalchemy import text

from expectations import training
from pipelines.contracts import Model, RiskKind, Severity
from pipelines.history.company import simulate_company
from pipelines.jobs.extraction import extract_interval
from pipelines.jobs.features import compute_views, materialise_views
from pipelines.jobs.parity import certify
from pipelines.jobs.training import train_challenger
from pipelines.monitoring.alerts import Alert, settle_alerts
from pipelines.settings import Settings
from pipelines.source.imports import load_simulated
from pipelines.source.moments import past_moment
from pipelines.store.repo import apply
from serving.features import TIMES
from tests.integration.serving_stack import Stack, until

TASKS = 4_000
KNOWN_SHARE = 0.9
_LONG = 50
_OF_PEOPLE = ("held_task_count", "since_task_activity_s", "task_activity_slowness", "hour_ratio")
_COLUMNS = ("workflow_id", "task_id", "activity", "team_id")
_OPEN_TASKS = text(
    "SELECT t.workflow_id, t.task_id, t.activity, t.team_id FROM workflow.tasks t "
    "JOIN workflow.workflows w USING (workflow_id) "
    "JOIN workcast.watermarks m ON m.stage = 'features' "
    "WHERE t.created_at < m.watermark_at "
    "AND coalesce(w.closed_at, 'infinity') > m.watermark_at "
    "AND coalesce(t.completed_at, t.cancelled_at, 'infinity') > m.watermark_at "
    "ORDER BY t.task_id LIMIT 50"
)
_PEOPLE = text("SELECT person_id FROM workflow.people ORDER BY person_id LIMIT 20")
_ALERTS = text("SELECT alert_id::text FROM workcast.alerts WHERE closed_at IS NULL")


def bring_company_up(stack: Stack) -> datetime:
    """Simulate a company, learn what was recorded before a past moment; return that moment."""
    as_of = learn_from_company(stack, Model)
    stack.service.start()
    until(lambda: stack.get("/readyz").status_code == 200)
    until(lambda: all(m["version"] for m in stack.get("/models").json()["models"]))
    return as_of


def learn_from_company(stack: Stack, models: Iterable[Model]) -> datetime:
    """Do all of it for some models, without the service."""
    stack.mlflow.start()
    as_of = record_company(stack)
    build_company_features(stack.settings, as_of)
    until(lambda: httpx.get(f"{stack.settings.mlflow}/health").status_code == 200, 300)
    for model in models:
        learn(stack, model)
    return as_of


def record_company(stack: Stack) -> datetime:
    """Fill the source database; return a moment before its last tenth."""
    with TemporaryDirectory() as folder:
        files = simulate_company(Path(folder), task_count=TASKS, seed=1)
        load_simulated(stack.database, files, "a test's company")
    as_of = past_moment(stack.database, KNOWN_SHARE)
    kind = RiskKind.OVERLOADED_PERSON
    alert = Alert(kind, "P1", Severity.WARNING, 0.5, "P1 has too much to do", as_of)
    settle_alerts(stack.database, kind, [alert])
    return as_of


def build_company_features(settings: Settings, as_of: datetime) -> None:
    """Do what the DAGs extract_history and build_features do."""
    extract_interval(settings, None, as_of)
    moment = as_of.isoformat()
    compute_views(settings, moment)
    apply(settings)
    materialise_views(settings, moment)
    certify(settings, moment)


def learn(stack: Stack, model: Model) -> str:
    """Train a model, and make it champion however good it is."""
    return stack.promote(model, learn_challenger(stack, model))


def learn_challenger(stack: Stack, model: Model, max_rows: int = 5_000) -> str:
    """Train a model that stays challenger."""
    suite = training.suite(model.value)
    named = train_challenger(stack.settings, model, suite, max_rows=max_rows, trial_count=1)
    return named.rpartition("/")[2]


def open_tasks(stack: Stack) -> Sequence[Mapping[str, Any]]:
    """Return some tasks that were open at the moment of the features."""
    with stack.database.connect() as connection:
        return [dict(row) for row in connection.execute(_OPEN_TASKS).mappings()]


@dataclass(frozen=True)
class Known:
    """Ids that the service can be asked about, and features that a model has."""

    ids: Mapping[str, Sequence[str]]
    features: Sequence[str]

    @classmethod
    def of(cls, stack: Stack) -> Self:
        """Read some of what was open, and who was there, at the moment of the features."""
        rows = open_tasks(stack)
        with stack.database.connect() as connection:
            people = [str(one) for one in connection.scalars(_PEOPLE)]
            alerts = [str(one) for one in connection.scalars(_ALERTS)]
        columns = {name: [row[name] for row in rows] for name in _COLUMNS}
        risk = stack.post("/assess_risk", {"workflow_id": columns["workflow_id"][0]}).json()
        moved_by = [reason["feature"] for reason in risk["reasons"]]
        return cls({**columns, "person_id": people, "alert_id": alerts}, [*moved_by, *TIMES])

    def put_into(self, body: Any) -> Any:
        """Return a question with ids that exist in the place of most of those made up."""
        if isinstance(body, list):
            return [self.put_into(item) for item in body]
        if not isinstance(body, dict):
            return body
        return {name: self._known(name, value) for name, value in body.items()}

    def _known(self, name: str, value: Any) -> Any:
        if name == "overrides" and isinstance(value, dict):
            # Of a workflow or a task by feature, of people by person and feature.
            if all(isinstance(item, dict) for item in value.values()):
                return {
                    _one_of(self.ids["person_id"], person): {
                        _one_of(_OF_PEOPLE, key): item for key, item in changes.items()
                    }
                    for person, changes in value.items()
                }
            return {_one_of(self.features, key): item for key, item in value.items()}
        # workflow_ids, excluded_person_ids and the like hold several.
        kind = next((kind for kind in self.ids if kind in name), None)
        if kind is None or not isinstance(value, str | list):
            kind = "task_id" if name == "predecessors" and isinstance(value, list) else None
        if kind is None:
            return self.put_into(value)
        if isinstance(value, list):
            # One that is as long as may be is there for its length.
            return [self._known(kind, one) for one in value] if len(value) < _LONG else value
        return _one_of(self.ids[kind], value)


def _one_of(known: Sequence[str], made_up: str) -> str:
    """Choose by the text that chance made up; one of eight stays."""
    number = crc32(made_up.encode(errors="replace"))
    return made_up if number % 8 == 0 else known[number % len(known)]
