"""A worker's runtime without servers: real predictors, rows instead of the online store."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import URL, create_engine

from pipelines.contracts import WORKFLOW_MODELS, Alias, Model, Role
from pipelines.errors import FeatureStoreError
from pipelines.features.request_time import add_request_time
from pipelines.features.views import VIEWS, FeatureView, qualified
from pipelines.history.schema import TIMESTAMP
from pipelines.learning.blend import Blend
from pipelines.learning.fit_encoder import fit_encoder
from pipelines.learning.late_limits import LateLimits
from pipelines.learning.predictor import Predictor
from pipelines.monitoring.audit_log import AuditEntry
from pipelines.monitoring.batch_log import LogCounts
from pipelines.monitoring.feedback import Feedback
from pipelines.monitoring.prediction import LoggedPrediction
from pipelines.monitoring.pseudonym import open_pseudonyms
from pipelines.platform.issuer import ensure_issuer
from pipelines.platform.token import bearer
from pipelines.settings import Settings
from pipelines.store.online_rows import ServiceRows
from pipelines.store.valkey import Valkey
from serving.alerts import AlertBoard
from serving.app import create_app
from serving.cache import AnswerCache
from serving.checks import version_check
from serving.clock import ClockReading
from serving.features import REQUEST_TIME_NAMES, Fallback, OnlineFeatures
from serving.guard.keys import IssuerKeys
from serving.guard.parts import Guard
from serving.guard.rates import Rates
from serving.guard.tokens import Tokens
from serving.history import History
from serving.lake_features import LakeFeatures
from serving.lake_history import LakeHistory
from serving.models import Candidate
from serving.poller import Poller
from serving.problems import FeaturesAwayError
from serving.runtime import Runtime
from serving.shadow import ShadowQueue
from serving.source_reads import SourceReads
from serving.staff import Staff
from serving.task_features import TASK_NAMES, TaskFeatures
from serving.tasks import SourceHistory
from serving.traffic import Traffic
from serving.watch import VersionWatch
from tests.serving.at_once import AtOnce

AS_OF = datetime(2016, 4, 1, 12, tzinfo=UTC)
OPENED = AS_OF - timedelta(days=3)
USUAL = timedelta(days=9)  # lead time beyond which what has no due date is late
TYPES = {
    **dict.fromkeys(("workflow_id", "activity", "person_id", "team_id"), pa.string()),
    **dict.fromkeys(("as_of", "closed_at", "features_known_at"), TIMESTAMP),
    **dict.fromkeys(("is_known", "is_closed"), pa.bool_()),
    **{
        qualified(v, column.name): column.dtype
        for v, spec in VIEWS.items()
        for column in spec.columns
    },
}
EVENTS_SECRET = "a secret of the tests"  # noqa: S105
NOWHERE = URL.create("postgresql+psycopg", "nobody", host="127.0.0.1", port=1)


def feature_row(workflow_id: str, **changes: Any) -> dict[str, Any]:
    """A row as the online reader gives it."""
    row: dict[str, Any] = {
        "workflow_id": workflow_id,
        "as_of": AS_OF,
        "is_known": True,
        "is_closed": False,
        "closed_at": None,
        "features_known_at": AS_OF - timedelta(hours=2),
        "activity": "check",
        "person_id": "ann",
        "team_id": None,
    }
    for view, spec in VIEWS.items():
        if view is not FeatureView.WORKFLOW_STATUS:
            row |= {qualified(view, column.name): None for column in spec.columns}
    row |= {
        "workflow_progress__opened_at": OPENED,
        "workflow_progress__due_at": AS_OF + timedelta(days=1),
        "workflow_progress__last_event_at": AS_OF - timedelta(hours=2),
        "workflow_progress__event_count": 4,
        "workflow_progress__rework_count": 1,
        "workflow_progress__last_activity": "check",
        "workflow_progress__workflow_attributes": '{"amount": 100}',
    }
    return row | changes


def frame_of(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    for name in frame.columns:
        is_time = name in {"as_of", "closed_at", "features_known_at"} or any(
            name == qualified(view, column.name) and column.dtype == TIMESTAMP
            for view, spec in VIEWS.items()
            for column in spec.columns
        )
        if is_time:
            frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    return frame.assign(is_closed=frame["is_closed"].astype("boolean"))


def predictor(model: Model) -> Predictor:
    """Train the smallest real predictor, on rows that differ in four columns."""
    rng = np.random.default_rng(7)
    rows = [
        feature_row(
            f"W{i % 40}",
            workflow_progress__rework_count=int(rng.integers(0, 6)),
            workflow_progress__last_activity=str(rng.choice(["check", "pay"])),
            workflow_progress__workflow_attributes=f'{{"amount": {int(rng.integers(1, 900))}}}',
            workflow_progress__opened_at=AS_OF - timedelta(hours=float(rng.integers(1, 99))),
        )
        for i in range(400)
    ]
    frame = add_request_time(frame_of(rows))
    encoder = fit_encoder(frame)
    matrix = encoder.matrix(frame)
    effort = frame["workflow_progress__rework_count"].to_numpy(dtype=float)
    quiet: dict[str, Any] = {"verbosity": -1, "num_threads": 1, "seed": 1}

    def score(objective: dict[str, Any], target: Any) -> Blend:
        data = lgb.Dataset(matrix, target, feature_name=[f"f{i}" for i in range(matrix.shape[1])])
        return Blend.of(lgb.train(objective | quiet, data, num_boost_round=20))

    if model is Model.DELAY_RISK:
        scores = {"late": score({"objective": "binary"}, (effort > 2).astype(float))}
        fitted: dict[str, Any] = {"slope": 1.0, "intercept": 0.0}
        limits: LateLimits | None = LateLimits(USUAL.total_seconds(), {}, is_told_at_closing=False)
    else:
        target = np.log1p(effort * 10 + rng.random(len(effort)))
        scores = {
            name: score({"objective": "quantile", "alpha": alpha}, target)
            for name, alpha in (("p10", 0.1), ("p50", 0.5), ("p90", 0.9))
        }
        fitted = {"group_column": None, "margins": {"rest": [0.0, 0.0], "of_group": {}}}
        limits = None
    return Predictor(model, encoder, scores, fitted, {}, limits)


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


@dataclass
class World:
    """The service in this process, and what stands behind it."""

    client: TestClient
    store: Rows
    clock: FixedClock
    log: Kept
    registry: Versions
    watch: VersionWatch
    shadows: ShadowQueue
    features: OnlineFeatures
    app: FastAPI
    settings: Settings
    guard: Guard
    audit: Kept
    feedback: Kept
    alerts: AlertBoard

    def headers(self, *roles: Role, subject: str = "tester") -> dict[str, str]:
        return bearer(self.settings, roles, subject)


@pytest.fixture(scope="session")
def predictors() -> dict[Model, Predictor]:
    return {model: predictor(model) for model in WORKFLOW_MODELS}


@pytest.fixture
def challenger_ratio() -> dict[Model, float]:
    return {}


@pytest.fixture
def shadowed() -> set[Model]:
    return set()


@pytest.fixture
def cache() -> AnswerCache:
    """A cache that is off; `test_cache` has one that is on."""
    return AnswerCache("redis://127.0.0.1:1", 0)


@pytest.fixture
def world(
    predictors: dict[Model, Predictor],
    challenger_ratio: dict[Model, float],
    shadowed: set[Model],
    cache: AnswerCache,
    tmp_path: Path,
) -> Any:
    store = Rows(
        [
            feature_row("WF-1"),
            feature_row(
                "WF-2",
                workflow_progress__rework_count=5,
                workflow_progress__due_at=None,
                workflow_progress__workflow_attributes='{"amount": 500, "channel": "post"}',
            ),
            feature_row("closed", is_closed=True, closed_at=AS_OF - timedelta(days=1)),
            feature_row("old", features_known_at=None),
            feature_row("young", features_known_at=AS_OF + timedelta(minutes=5)),
        ]
    )
    clock, log, registry = FixedClock(), Kept(), Versions(predictors)
    feedback, engine = Kept(), create_engine(NOWHERE)
    alerts = AlertBoard(engine)
    watch = VersionWatch(
        registry, version_check(lambda _: {*TYPES, *REQUEST_TIME_NAMES, *TASK_NAMES})
    )
    watch.look()
    features = OnlineFeatures(store, clock)  # type: ignore[arg-type]
    features.probe()
    shadows = ShadowQueue(lambda: None)
    shadows.start()
    source = SourceReads(engine)
    settings = Settings(home=tmp_path / "home", _env_file=None)  # type: ignore[call-arg]
    guard, audit = make_guard(settings)
    copy = LakeHistory(str(tmp_path / "lake"), clock, 100, lambda: source.is_away)  # type: ignore[arg-type]
    runtime = Runtime(
        engine=engine,
        source=source,
        history=History(SourceHistory(source), copy),
        copy=copy,
        clock=clock,  # type: ignore[arg-type]
        features=features,
        lake=Poller("no lake", lambda: None, 60),  # type: ignore[arg-type]
        watch=watch,
        task_features=TaskFeatures(
            None,  # type: ignore[arg-type]
            features,
            LakeFeatures("nowhere", {}, clock, max_rows=0),  # type: ignore[arg-type]
        ),
        staff=Staff("nowhere", clock),  # type: ignore[arg-type]
        traffic=Traffic(watch, challenger_ratio, shadowed),
        shadows=shadows,
        cache=cache,
        log=log,  # type: ignore[arg-type]
        feedback=feedback,  # type: ignore[arg-type]
        alerts=alerts,
        guard=guard,
        registry_events_secret=EVENTS_SECRET,
    )
    app = create_app(lambda: runtime, "0.0.0")
    with TestClient(app, raise_server_exceptions=False) as client:
        client.headers.update(bearer(settings, list(Role), "tester"))
        yield World(
            client,
            store,
            clock,
            log,
            registry,
            watch,
            shadows,
            features,
            app,
            settings,
            guard,
            audit,
            feedback,
            alerts,
        )


@pytest.fixture
def at_once(world: World) -> Iterator[AtOnce]:
    """Asks what is to be answered at once; let it hold what answers read."""
    with ThreadPoolExecutor(8) as pool:
        yield AtOnce(world.client, world.app.state.runtime.lanes, pool)


def make_guard(settings: Settings) -> tuple[Guard, Kept]:
    """The guard of a worker without servers: keys of the development issuer, no Valkey."""
    ensure_issuer(settings)
    keys, audit = IssuerKeys(settings.jwks, refetch_s=0), Kept()
    keys.look()
    guard = Guard(
        keys=keys,
        tokens=Tokens(settings, keys, open_pseudonyms(settings)),
        rates=Rates(Valkey("redis://127.0.0.1:1/0"), settings.rate_limit_per_minute),
        audit=audit,  # type: ignore[arg-type]
        max_request_bytes=settings.max_request_bytes,
        request_timeout_s=settings.request_timeout_s,
    )
    return guard, audit
