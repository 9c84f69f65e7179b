"""Everything a worker holds while it answers: clock, features, models, prediction log."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

import pandas as pd
from sqlalchemy import Engine, create_engine

from pipelines.contracts import Model
from pipelines.errors import WorkcastError
from pipelines.monitoring.prediction_log import PredictionLog
from pipelines.settings import Settings
from pipelines.store.online import OnlineReader
from serving import metrics
from serving.clock import FeatureClock
from serving.examples import running_ids
from serving.features import OnlineFeatures
from serving.guard.parts import Guard
from serving.models import ChampionWatch, Predicts
from serving.poller import Poller
from serving.registry import MlflowRegistry
from serving.schemas import Models, ModelState, Readiness

_SHOW_SECONDS: Final = 2.0
# A database that hangs must not hold a thread.
_CONNECT_SECONDS: Final = 3
_STATEMENT_MS: Final = 3_000


@dataclass(frozen=True)
class Runtime:
    """The parts behind the answers; each looks after itself in a thread of its own."""

    engine: Engine
    clock: FeatureClock
    features: OnlineFeatures
    watch: ChampionWatch
    log: PredictionLog
    meter: Poller
    guard: Guard

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Start all parts; none of them needs its server to be there yet."""
        guard = Guard.open(settings)
        engine = create_engine(
            settings.database,
            pool_size=2,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": _CONNECT_SECONDS,
                "options": f"-c statement_timeout={_STATEMENT_MS}",
            },
        )
        clock = FeatureClock(engine)
        features = OnlineFeatures(OnlineReader(settings), clock)
        log = PredictionLog(settings.database, settings.home / "spill" / "predictions")
        registry = MlflowRegistry(settings.mlflow, settings.model_cache)
        watch = ChampionWatch(registry, warm_up, on_swap=_count_swap)
        meter = Poller(
            "meter", lambda: metrics.show_log(metrics.LOG_ROWS, log.counts), _SHOW_SECONDS
        )
        for part in (clock, features, watch, log, meter):
            part.start()
        return cls(engine, clock, features, watch, log, meter, guard)

    def close(self) -> None:
        """Stop all parts; the prediction log last, with everything written."""
        for part in (self.meter, self.watch, self.features, self.clock):
            part.stop()
        self.log.close()
        self.guard.close()
        self.engine.dispose()

    def example_ids(self) -> list[str]:
        """Return ids that can be asked about now, for the OpenAPI page."""
        reading = self.clock.reading
        return running_ids(self.engine, reading.as_of) if reading else []

    def models(self) -> Models:
        """Tell which version of each model answers."""
        return Models(
            models=[
                ModelState(
                    name=model.value,
                    alias=self.watch.alias.value,
                    version=state.loaded.version if state.loaded else None,
                    loaded_at=state.loaded.loaded_at if state.loaded else None,
                    message=state.message,
                )
                for model, state in self.watch.states.items()
            ]
        )

    def readiness(self) -> Readiness:
        """Tell whether every question could be answered now, and what is not as it should be."""
        states = self.watch.states.items()
        missing = [f"model {m}: {s.message}" for m, s in states if s.loaded is None]
        missing += [part.missing for part in (self.clock, self.features) if part.missing]
        degraded = [f"model {m}: {s.message}" for m, s in states if s.loaded and s.message]
        if self.guard.keys.missing:
            (degraded if self.guard.keys.current else missing).append(self.guard.keys.missing)
        reading = self.clock.reading
        if reading is not None and reading.is_stale:
            degraded.append("the clock of the features is not up to date: no database")
        if self.log.is_away:
            degraded.append("the prediction log goes to disk: no database")
        return Readiness(
            is_ready=not missing,
            missing=missing,
            degraded=degraded,
            as_of=reading.as_of if reading else None,
        )


def warm_up(model: Model, predictor: Predicts) -> None:
    """Let a version answer rows about which nothing is known; see that it gives numbers.

    Raises:
        WorkcastError: it does not.
    """
    blank = pd.DataFrame({name: [None, None] for name in predictor.input_columns})
    blank["as_of"] = pd.Timestamp(datetime.now(UTC))
    for rows in (blank, blank.head(1)):
        predicted = predictor.predict(rows)
        if len(predicted) != len(rows) or predicted.isna().to_numpy().any():
            raise WorkcastError(f"The model answers {predicted.to_dict('records')} to blank rows.")
    row = {str(name): value for name, value in blank.iloc[0].items()}
    predictor.predict_row(row)
    if model is Model.DELAY_RISK:
        predictor.contributions_row(row)


def _count_swap(model: Model, _version: str, is_taken: bool) -> None:
    metrics.SWAPS.labels(model.value, "taken" if is_taken else "kept_out").inc()
