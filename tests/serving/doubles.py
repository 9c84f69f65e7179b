"""What stands behind a worker in its tests: the stores and the registry in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pipelines.contracts import WORKFLOW_MODELS, Alias, Model
from pipelines.errors import FeatureStoreError
from pipelines.learning.predictor import Predictor
from pipelines.monitoring.audit_log import AuditEntry
from pipelines.monitoring.batch_log import LogCounts
from pipelines.monitoring.feedback import Feedback
from pipelines.monitoring.prediction import LoggedPrediction
from pipelines.store.online_rows import ServiceRows
from serving.clock import ClockReading
from serving.features import Fallback
from serving.models import Candidate
from serving.problems import FeaturesAwayError
from tests.serving.made_rows import AS_OF, TYPES, feature_row


class Rows:
    """The online store as a dictionary."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self.rows = {row["workflow_id"]: row for row in rows}
        self.is_away = False
        self.read_count = 0

    def read(self, workflow_ids: Sequence[str], service: str, as_of: datetime) -> ServiceRows:
        self.read_count += 1
        if self.is_away:
            raise FeatureStoreError("Valkey does not answer (refused); start the platform")
        assert service in {model.value for model in WORKFLOW_MODELS}
        unknown = {"is_known": False, "is_closed": None, "features_known_at": None}
        rows = [self.rows.get(i) or feature_row(i, **unknown) for i in workflow_ids]
        asked = [row | {"as_of": as_of} for row in rows]
        return ServiceRows({name: [row[name] for row in asked] for name in asked[0]}, TYPES)


class Copy:
    """A copy from the lake, as of an hour before the clock."""

    is_there = True

    def __init__(self, rows: Any, *, is_partial: bool) -> None:
        self._rows = rows
        self._is_partial = is_partial

    def read(self, workflow_ids: Any, service: str) -> Fallback:
        as_of = AS_OF - timedelta(hours=1)
        return Fallback(self._rows.read(workflow_ids, service, as_of), as_of, self._is_partial)


@dataclass
class FixedClock:
    as_of: datetime | None = AS_OF
    is_stale: bool = False

    @property
    def reading(self) -> ClockReading | None:
        return None if self.as_of is None else ClockReading(self.as_of, self.is_stale)

    @property
    def missing(self) -> str | None:
        return "no features have been built yet" if self.as_of is None else None

    def read(self) -> ClockReading:
        if self.reading is None:
            raise FeaturesAwayError("No answer without a clock: no features have been built yet.")
        return self.reading

    def stop(self) -> None: ...


@dataclass
class Kept:
    """A log that keeps its rows."""

    rows: list[Any] = field(default_factory=list)
    is_away: bool = False

    def add(self, entries: Sequence[LoggedPrediction | AuditEntry | Feedback]) -> None:
        self.rows.extend(entries)

    def close(self) -> None: ...

    @property
    def counts(self) -> LogCounts:
        return LogCounts(0, len(self.rows), 0, 0, 0, 0, self.is_away)


class Versions:
    """A registry in memory."""

    def __init__(self, predictors: dict[Model, Predictor]) -> None:
        self.predictors = predictors
        self.versions: dict[Model, str] = dict.fromkeys(predictors, "1")
        self.challengers: dict[Model, str] = {}

    def aliases(self) -> dict[Model, dict[Alias, str]]:
        named = {Alias.CHAMPION: self.versions, Alias.CHALLENGER: self.challengers}
        return {
            model: {alias: of[model] for alias, of in named.items() if model in of}
            for model in Model
        }

    def load(self, model: Model, version: str) -> Candidate:
        return Candidate(version, "run", self.predictors[model], None)

    def kept(self, model: Model, alias: Alias) -> Candidate | None:
        return None

    def keep(self, model: Model, alias: Alias, candidate: Candidate) -> None: ...

    def forget(self, model: Model, alias: Alias) -> None: ...
