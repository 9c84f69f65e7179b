"""A worker's runtime without servers: real predictors, rows instead of the online store."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import URL, create_engine

from pipelines.contracts import WORKFLOW_MODELS, Model, Role
from pipelines.learning.predictor import Predictor
from pipelines.monitoring.pseudonym import open_pseudonyms
from pipelines.platform.issuer import ensure_issuer
from pipelines.platform.token import bearer
from pipelines.settings import Settings
from pipelines.store.valkey import Valkey
from serving.alerts import AlertBoard
from serving.app import create_app
from serving.cache import AnswerCache
from serving.checks import version_check
from serving.features import REQUEST_TIME_NAMES, OnlineFeatures
from serving.guard.keys import IssuerKeys
from serving.guard.parts import Guard
from serving.guard.rates import Rates
from serving.guard.tokens import Tokens
from serving.history import History
from serving.lake_features import LakeFeatures
from serving.lake_history import LakeHistory
from serving.poller import Poller
from serving.runtime import Runtime
from serving.shadow import ShadowQueue
from serving.source_reads import SourceReads
from serving.staff import Staff
from serving.task_features import TASK_NAMES, TaskFeatures
from serving.tasks import SourceHistory
from serving.traffic import Traffic
from serving.watch import VersionWatch
from tests.serving.at_once import AtOnce
from tests.serving.doubles import FixedClock, Kept, Rows, Versions
from tests.serving.made_rows import AS_OF, TYPES, feature_row, predictor

NOWHERE = URL.create("postgresql+psycopg", "nobody", host="127.0.0.1", port=1)
EVENTS_SECRET = "a secret of the tests"  # noqa: S105


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
