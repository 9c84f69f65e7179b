"""Follow the registry: the versions that carry the aliases answer, without a restart.

A thread asks the registry every few seconds, and at once when it is poked. A new version is
loaded beside the old one, checked, and takes its place in one assignment; requests under way end
on the old one. A version that fails its check is kept out until its alias moves; one that could
not be fetched is tried again. Without the registry the last versions that passed are read from
the disk.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from pipelines.contracts import WORKFLOW_MODELS, Alias, Model
from pipelines.errors import WorkcastError
from serving.checks import Check, CheckFailedError
from serving.models import Candidate, LoadedModel, Registry, tame_garbage_collector
from serving.poller import Poller
from serving.problems import NoChampionError

logger = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 30
_FOR_GOOD: Final = float("inf")

Place = tuple[Model, Alias]
OnSwap = Callable[[Model, Alias, str], None]


@dataclass(frozen=True)
class WatchState:
    """What is known about one alias: the version that answers, and what went wrong last."""

    loaded: LoadedModel | None = None
    message: str | None = "the registry has not been asked yet"
    refused_version: str | None = None
    retry_at: float = 0.0  # of the monotonic clock


class VersionWatch:
    """Hold the champion and the challenger of each model, as the registry says."""

    def __init__(
        self,
        registry: Registry,
        check: Check,
        *,
        seconds: float = 5.0,
        on_swap: OnSwap = lambda *_: None,
    ) -> None:
        self._registry = registry
        self._check = check
        self._on_swap = on_swap
        # Champions first: so are they looked at, and shown.
        self._states: Mapping[Place, WatchState] = {
            (model, alias): WatchState() for alias in Alias for model in Model
        }
        self._poller = Poller("version-watch", self.look, seconds)
        self._is_tamed = False
        self._is_away = False

    def start(self) -> None:
        """Start following the registry."""
        self._poller.start()

    def stop(self) -> None:
        """Stop following it; what is loaded stays."""
        self._poller.stop()

    def poke(self) -> None:
        """Ask the registry now, without waiting for the answer."""
        self._poller.poke()

    @property
    def states(self) -> Mapping[Place, WatchState]:
        """What is known about each alias of each model."""
        return self._states

    def loaded(self, model: Model, alias: Alias) -> LoadedModel | None:
        """Return the version of an alias, if there is one in memory."""
        return self._states[model, alias].loaded

    def champion(self, model: Model) -> LoadedModel:
        """Return the version that answers now.

        Raises:
            NoChampionError: there is none; says why and what to do.
        """
        state = self._states[model, Alias.CHAMPION]
        if state.loaded is None:
            raise NoChampionError(
                f"Model {model} cannot answer: {state.message}. Run the DAGs train_models and "
                f"promote_models, or give a version the alias {Alias.CHAMPION} in MLflow; the "
                "service finds it by itself.",
                model=model.value,
            )
        return state.loaded

    @property
    def is_registry_away(self) -> bool:
        """Whether the registry did not answer lately."""
        return self._is_away

    def look(self) -> None:
        """Ask the registry once about every model."""
        reason: str | None = None
        versions: Mapping[Model, Mapping[Alias, str]] = {}
        try:
            versions = self._registry.aliases()
        except WorkcastError as err:
            reason = str(err)
        for model in Model:
            named = versions.get(model, {})
            for alias in Alias:
                state = (
                    self._follow(model, alias, named.get(alias))
                    if reason is None
                    else self._alone(model, alias, reason)
                )
                # One assignment: a request sees the old mapping or the new one.
                self._states = {**self._states, (model, alias): state}
        self._is_away = reason is not None
        champions = (self.loaded(model, Alias.CHAMPION) for model in WORKFLOW_MODELS)
        if not self._is_tamed and all(champions):
            self._is_tamed = True
            tame_garbage_collector()

    def _alone(self, model: Model, alias: Alias, reason: str) -> WatchState:
        """Go on without the registry: with what is loaded, else with the copy on disk."""
        state = self._states[model, alias]
        if state.loaded is None:
            state = self._from_disk(model, alias, state)
        if state.loaded is None:
            return replace(state, message=reason if alias is Alias.CHAMPION else None)
        return replace(state, message=f"version {state.loaded.version} goes on: {reason}")

    def _follow(self, model: Model, alias: Alias, version: str | None) -> WatchState:
        state = self._states[model, alias]
        if version is None:
            self._registry.forget(model, alias)
            is_missing = alias is Alias.CHAMPION
            return WatchState(
                message=f"no version carries the alias {alias}" if is_missing else None
            )
        loaded = state.loaded
        # One from the disk is fetched again: a registry made anew counts versions from 1 too.
        if loaded is not None and loaded.version == version and not loaded.is_from_disk:
            return WatchState(loaded, message=None)
        if state.refused_version == version and time.monotonic() < state.retry_at:
            return state
        return self._swap(model, alias, version, state)

    def _swap(self, model: Model, alias: Alias, version: str, state: WatchState) -> WatchState:
        try:
            candidate = self._registry.load(model, version)
            self._check(model, candidate)
        except Exception as err:  # whatever a broken version throws, the old one goes on
            is_final = isinstance(err, CheckFailedError)
            if state.refused_version != version:
                logger.exception("Version %s of %s is kept out", version, model)
                self._on_swap(model, alias, "refused" if is_final else "not_loaded")
            reason = str(err) if is_final else f"{type(err).__name__}: {err}"
            if state.loaded is None:
                state = self._from_disk(model, alias, state)
            retry_at = _FOR_GOOD if is_final else time.monotonic() + _RETRY_SECONDS
            return WatchState(
                state.loaded, f"version {version} is kept out: {reason}", version, retry_at
            )
        logger.info("Version %s of %s is the %s from now on", version, model, alias)
        self._on_swap(model, alias, "taken")
        self._registry.keep(model, alias, candidate)
        return WatchState(_loaded(model, alias, candidate), message=None)

    def _from_disk(self, model: Model, alias: Alias, state: WatchState) -> WatchState:
        try:
            candidate = self._registry.kept(model, alias)
            if candidate is None:
                return state
            self._check(model, candidate)
        except WorkcastError as err:
            logger.warning("The copy of %s %s on disk cannot answer: %s", model, alias, err)
            return state
        logger.warning("Version %s of %s is read from the disk", candidate.version, model)
        self._on_swap(model, alias, "from_disk")
        loaded = replace(_loaded(model, alias, candidate), is_from_disk=True)
        return replace(state, loaded=loaded)


def _loaded(model: Model, alias: Alias, candidate: Candidate) -> LoadedModel:
    return LoadedModel(model, candidate.version, alias, candidate.predictor, datetime.now(UTC))
