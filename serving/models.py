"""Follow the registry: the version that carries the alias answers, without a restart.

A thread asks the registry every few seconds. A new version is loaded beside the old one,
warmed up, and takes its place in one assignment; requests under way end on the old one. A
version that does not load or does not answer is kept out, and the old one goes on.
"""

import gc
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import pandas as pd

from pipelines.contracts import WORKFLOW_MODELS, Alias, Model
from pipelines.errors import WorkcastError
from pipelines.learning.encode import Encoder
from serving.poller import Poller
from serving.problems import NoChampionError

logger = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 30
# Thresholds of the three generations, once what is loaded has been frozen.
_THRESHOLDS: Final = (50_000, 20, 100)


class Predicts(Protocol):
    """What a loaded model can do; `pipelines.learning.predictor.Predictor` is one."""

    @property
    def encoder(self) -> Encoder:
        """How a row becomes numbers."""

    @property
    def input_columns(self) -> list[str]:
        """Columns that a row must have."""

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Answer each row."""

    def predict_row(self, values: Mapping[str, Any]) -> dict[str, float]:
        """Answer one row."""

    def contributions(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Give each feature's signed share in each row's answer."""

    def contributions_row(self, values: Mapping[str, Any]) -> dict[str, float]:
        """Give each feature's signed share in one row's answer."""


class Registry(Protocol):
    """What the watch needs of the model registry."""

    def version_of(self, model: Model, alias: Alias) -> str | None:
        """Return the version that carries the alias, or None."""

    def load(self, model: Model, version: str) -> Predicts:
        """Load one version."""


@dataclass(frozen=True)
class LoadedModel:
    """One version in memory, warmed up."""

    name: Model
    version: str
    alias: Alias
    predictor: Predicts
    loaded_at: datetime


@dataclass(frozen=True)
class WatchState:
    """What is known about one model: the version that answers, and what went wrong last."""

    loaded: LoadedModel | None = None
    message: str | None = "the registry has not been asked yet"
    refused_version: str | None = None
    retry_at: float = 0.0  # of the monotonic clock: a version kept out may have met a passing fault


class ChampionWatch:
    """Hold the champion of each model, as the registry says."""

    def __init__(
        self,
        registry: Registry,
        warm_up: Callable[[Model, Predicts], None],
        *,
        alias: Alias = Alias.CHAMPION,
        seconds: float = 5.0,
        on_swap: Callable[[Model, str, bool], None] = lambda *_: None,
    ) -> None:
        self._registry = registry
        self._warm_up = warm_up
        self._on_swap = on_swap
        self.alias = alias
        self._states: Mapping[Model, WatchState] = dict.fromkeys(WORKFLOW_MODELS, WatchState())
        self._poller = Poller("champion-watch", self.look, seconds)
        self._is_tamed = False

    def start(self) -> None:
        """Start following the registry."""
        self._poller.start()

    def stop(self) -> None:
        """Stop following it; what is loaded stays."""
        self._poller.stop()

    @property
    def states(self) -> Mapping[Model, WatchState]:
        """What is known about each model."""
        return self._states

    def champion(self, model: Model) -> LoadedModel:
        """Return the version that answers now.

        Raises:
            NoChampionError: there is none; says why and what to do.
        """
        state = self._states[model]
        if state.loaded is None:
            raise NoChampionError(
                f"Model {model} cannot answer: {state.message}. Run the DAGs train_models and "
                f"promote_models, or give a version the alias {self.alias} in MLflow; the "
                "service finds it by itself.",
                model=model.value,
            )
        return state.loaded

    def look(self) -> None:
        """Ask the registry once about every model."""
        for model in WORKFLOW_MODELS:
            state = self._follow(model, self._states[model])
            # One assignment: a request sees the old mapping or the new one.
            self._states = {**self._states, model: state}
        if not self._is_tamed and all(s.loaded is not None for s in self._states.values()):
            self._is_tamed = True
            tame_garbage_collector()

    def _follow(self, model: Model, state: WatchState) -> WatchState:
        try:
            version = self._registry.version_of(model, self.alias)
        except WorkcastError as err:
            if state.loaded is None:
                return replace(state, message=str(err))
            return replace(state, message=f"version {state.loaded.version} goes on: {err}")
        if version is None:
            return WatchState(message=f"no version carries the alias {self.alias}")
        if state.loaded is not None and state.loaded.version == version:
            return replace(state, message=None, refused_version=None)
        if state.refused_version == version and time.monotonic() < state.retry_at:
            return state
        return self._swap(model, version, state)

    def _swap(self, model: Model, version: str, state: WatchState) -> WatchState:
        try:
            predictor = self._registry.load(model, version)
            self._warm_up(model, predictor)
        except Exception as err:  # whatever a broken version throws, the old one goes on
            if state.refused_version != version:
                logger.exception("Version %s of %s is kept out", version, model)
                self._on_swap(model, version, False)  # noqa: FBT003
            message = f"version {version} is kept out ({type(err).__name__}: {err})"
            retry_at = time.monotonic() + _RETRY_SECONDS
            return WatchState(state.loaded, message, version, retry_at)
        logger.info("Version %s of %s answers from now on", version, model)
        self._on_swap(model, version, True)  # noqa: FBT003
        loaded = LoadedModel(model, version, self.alias, predictor, datetime.now(UTC))
        return WatchState(loaded, message=None)


def tame_garbage_collector() -> None:
    """Keep full collections off the requests' path: they walk every loaded library."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
