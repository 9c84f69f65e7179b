"""Everything a worker holds while it answers: clock, features, models, prediction log."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Self

from sqlalchemy import Engine

from pipelines.contracts import Alias, Model
from pipelines.monitoring.feedback import FeedbackLog
from pipelines.monitoring.prediction_log import PredictionLog
from pipelines.settings import Settings
from pipelines.source.connect import open_limited_engine
from pipelines.store.online import OnlineReader
from serving import metrics
from serving.alerts import AlertBoard
from serving.cache import AnswerCache
from serving.checks import version_check
from serving.clock import FeatureClock
from serving.examples import Examples, OfKinds
from serving.features import REQUEST_TIME_NAMES, OnlineFeatures
from serving.guard.parts import Guard
from serving.history import History
from serving.lake_features import LakeFeatures
from serving.lake_history import LakeHistory
from serving.lanes import Lanes
from serving.poller import Poller
from serving.registry import MlflowRegistry
from serving.schemas import Models, Readiness
from serving.shadow import ShadowQueue
from serving.source_reads import SourceReads
from serving.staff import Staff
from serving.state import models_state, readiness, show
from serving.task_features import TASK_NAMES, TaskFeatures
from serving.tasks import SourceHistory
from serving.tracing import start_tracing
from serving.traffic import Traffic
from serving.watch import VersionWatch

_SHOW_SECONDS: Final = 2.0
# A database that hangs must not hold a thread.
_CONNECT_SECONDS: Final = 3
_STATEMENT_MS: Final = 3_000
_ANSWER_SECONDS: Final = 4.0  # beyond what a statement may take: only a server that hangs does


@dataclass(frozen=True)
class Runtime:
    """The parts behind the answers; each looks after itself in a thread of its own."""

    engine: Engine
    source: SourceReads
    history: History
    copy: LakeHistory
    clock: FeatureClock
    features: OnlineFeatures
    lake: LakeFeatures
    task_features: TaskFeatures
    staff: Staff
    watch: VersionWatch
    traffic: Traffic
    shadows: ShadowQueue
    cache: AnswerCache
    log: PredictionLog
    feedback: FeedbackLog
    alerts: AlertBoard
    guard: Guard
    lanes: Lanes = field(default_factory=Lanes)
    stop_tracing: Callable[[], None] = lambda: None
    registry_events_secret: str | None = field(default=None, repr=False)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Start all parts; none of them needs its server to be there yet."""
        guard = Guard.open(settings)
        engine = _engine(settings, pool_pre_ping=True)
        clock = FeatureClock(engine, settings.home / "feature-clock")
        reader = OnlineReader(settings)
        lake = LakeFeatures(settings.lake, reader.plans, clock, settings.fallback_max_rows)
        features = OnlineFeatures(reader, clock, lake)
        staff = Staff(settings.lake, clock)
        log = PredictionLog(settings.database, settings.home / "spill" / "predictions")
        feedback = FeedbackLog(settings.database, settings.home / "spill" / "feedback")
        alerts = AlertBoard(engine)
        registry = MlflowRegistry(settings.mlflow, settings.model_cache)
        check = version_check(
            lambda model: reader.plans[model.value].columns | REQUEST_TIME_NAMES | TASK_NAMES
        )
        watch = VersionWatch(registry, check, on_swap=_count_swap)
        traffic = Traffic(watch, settings.challenger_ratio, settings.shadow_models)
        shadows = ShadowQueue(metrics.SHADOWS_DROPPED.inc)
        cache = AnswerCache(settings.valkey, settings.cache_ttl_s)
        source = SourceReads(_reading_engine(settings))
        max_rows = settings.fallback_max_rows
        copy = LakeHistory(settings.lake, clock, max_rows, lambda: source.is_away)
        for part in (clock, source, features, lake, copy, staff, watch, shadows, cache):
            part.start()
        for keeper in (log, feedback, alerts):
            keeper.start()
        secret = settings.registry_events_secret
        runtime = cls(
            engine,
            source,
            History(SourceHistory(source), copy),
            copy,
            clock,
            features,
            lake,
            TaskFeatures(reader, features, lake),
            staff,
            watch,
            traffic,
            shadows,
            cache,
            log,
            feedback,
            alerts,
            guard,
            Lanes(settings.answer_threads),
            start_tracing(settings.otlp_endpoint, settings.trace_ratio),
            secret.get_secret_value() if secret else None,
        )
        runtime.meter.start()
        return runtime

    @cached_property
    def meter(self) -> Poller:
        """What shows the state of the parts to Prometheus."""
        return Poller("meter", lambda: show(self), _SHOW_SECONDS)

    def close(self) -> None:
        """Stop all parts; the logs last, with everything written."""
        self.lanes.close()
        for part in (self.shadows, self.cache, self.meter, self.watch, self.staff):
            part.stop()
        self.copy.stop()
        self.lake.stop()
        self.features.stop()
        self.alerts.stop()
        self.clock.stop()
        self.log.close()
        self.feedback.close()
        self.guard.close()
        self.source.close()
        self.engine.dispose()
        self.stop_tracing()

    @cached_property
    def _examples(self) -> Examples:
        return Examples(self.engine)

    def examples(self) -> OfKinds:
        """Return questions that can be asked now, by their schemas, for the OpenAPI page."""
        reading = self.clock.reading
        return self._examples.at(reading.as_of) if reading else {}

    def models(self) -> Models:
        """Tell which version of each model answers, and which challengers there are."""
        return models_state(self.watch.states, self.traffic)

    def readiness(self) -> Readiness:
        """Tell whether every question could be answered now, and what is not as it should be."""
        return readiness(self)


def _engine(settings: Settings, **how: Any) -> Engine:
    return open_limited_engine(
        settings.database,
        _ANSWER_SECONDS,
        pool_size=settings.answer_threads,  # more would come and go with each question
        connect_args={
            "connect_timeout": _CONNECT_SECONDS,
            "options": f"-c statement_timeout={_STATEMENT_MS}",
        },
        **how,
    )


def _reading_engine(settings: Settings) -> Engine:
    # Each question is one statement: a transaction around it would be two round trips more, to
    # ping the connection beforehand one more, and there is nothing to undo behind it.
    return _engine(settings, isolation_level="AUTOCOMMIT", pool_reset_on_return=None)


def _count_swap(model: Model, alias: Alias, result: str) -> None:
    metrics.SWAPS.labels(model.value, alias.value, result).inc()
