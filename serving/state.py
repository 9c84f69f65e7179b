"""What the service says about itself: its models, and whether it can answer."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipelines.contracts import WORKFLOW_MODELS, Alias, Model
from serving import metrics
from serving.metrics import show_log
from serving.schemas import Models, ModelState, Readiness
from serving.traffic import Traffic
from serving.watch import Place, WatchState

if TYPE_CHECKING:
    from serving.runtime import Runtime


def models_state(states: Mapping[Place, WatchState], traffic: Traffic) -> Models:
    """Tell which version of each model answers, and which challengers there are."""

    def shown(place: Place, state: WatchState) -> ModelState:
        model, alias = place
        loaded = state.loaded
        return ModelState(
            name=model.value,
            alias=alias.value,
            version=loaded.version if loaded else None,
            loaded_at=loaded.loaded_at if loaded else None,
            is_from_disk=loaded is not None and loaded.is_from_disk,
            traffic_ratio=traffic.ratio(model, alias),
            is_shadow=alias is Alias.CHALLENGER and traffic.shadow(model) is not None,
            refused_version=state.refused_version,
            message=state.message,
        )

    return Models(
        models=[shown(p, s) for p, s in states.items() if p[1] is Alias.CHAMPION],
        challengers=[
            shown(p, s)
            for p, s in states.items()
            if p[1] is Alias.CHALLENGER and (s.loaded or s.refused_version)
        ],
    )


def show(runtime: "Runtime") -> None:
    """Show Prometheus what waits and what is away."""
    counts = runtime.log.counts
    show_log(metrics.LOG_ROWS, counts)
    for queue, count in (
        ("shadow", runtime.shadows.waiting_count),
        ("cache", runtime.cache.waiting_count),
        ("log", counts.queued_count),
        ("answers", runtime.lanes.waiting_count),
    ):
        metrics.WAITING.labels(queue).set(count)
    reading = runtime.clock.reading
    metrics.show_clock(reading.as_of if reading else None)
    for part, is_away in (
        ("features", runtime.features.missing is not None),
        ("clock", reading is None or reading.is_stale),
        ("source", runtime.source.is_away),
        ("log", runtime.log.is_away),
        ("registry", runtime.watch.is_registry_away),
    ):
        metrics.DEGRADED.labels(part).set(is_away)


def readiness(runtime: "Runtime") -> Readiness:
    """Tell whether every question could be answered now, and what is not as it should be."""
    champions = {m: s for (m, a), s in runtime.watch.states.items() if a is Alias.CHAMPION}
    # A history that names nobody has no model of assignees: what can be asked goes on.
    missing = [
        f"model {m}: {s.message}"
        for m, s in champions.items()
        if s.loaded is None and m in WORKFLOW_MODELS
    ]
    if runtime.clock.missing:
        missing.append(runtime.clock.missing)
    store = runtime.features.missing
    if store and not runtime.features.has_fallback:
        missing.append(store)
    degraded = [
        f"model {m}: {s.message}"
        for m, s in champions.items()
        if s.message and (s.loaded or (s.refused_version and m not in WORKFLOW_MODELS))
    ]
    if champions[Model.ASSIGNEE].loaded and runtime.staff.as_of is None:
        degraded.append("nobody can be recommended yet: who did what is being read from the lake")
    if store and runtime.features.has_fallback:
        degraded.append(f"features come from the lake: {store}")
    keys = runtime.guard.keys
    if keys.missing:
        (degraded if keys.current else missing).append(keys.missing)
    reading = runtime.clock.reading
    if reading is not None and reading.is_stale:
        degraded.append("the clock of the features is not up to date: no database")
    if runtime.source.is_away:
        degraded.append(
            "tasks and people are looked up in the lake's copy: no database"
            if runtime.history.has_copy
            else "tasks and people cannot be looked up: no database, and no copy in the lake"
        )
    if runtime.log.is_away:
        degraded.append("the prediction log goes to disk: no database")
    return Readiness(
        is_ready=not missing,
        missing=missing,
        degraded=degraded,
        as_of=reading.as_of if reading else None,
    )
