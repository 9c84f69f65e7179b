from collections.abc import Callable

import pandas as pd
import pytest

from pipelines.contracts import Alias, Model
from pipelines.errors import RegistryError
from serving import models
from serving.models import ChampionWatch, Predicts
from serving.problems import NoChampionError


class Constant:
    def __init__(self, version: str) -> None:
        self.version = version

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"version": [self.version] * len(frame)})

    def contributions(self, frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(index=frame.index)


class Aliases:
    """A registry in memory; `is_away` makes it fail as a server that is not there."""

    def __init__(self, **versions: str) -> None:
        self.versions = versions
        self.is_away = False
        self.loads: list[str] = []

    def version_of(self, model: Model, alias: Alias) -> str | None:
        if self.is_away:
            raise RegistryError("MLflow at http://nowhere does not answer")
        assert alias is Alias.CHAMPION
        return self.versions.get(model.value)

    def load(self, model: Model, version: str) -> Predicts:
        self.loads.append(f"{model}:{version}")
        if version == "torn":
            raise RegistryError("no such artifact")
        return Constant(version)


def refuse_bad(model: Model, predictor: Predicts) -> None:
    if predictor.predict(pd.DataFrame(index=[0]))["version"][0] == "bad":
        raise ValueError("not a finite number")


@pytest.fixture
def swaps() -> list[tuple[str, str, bool]]:
    return []


@pytest.fixture
def watch_of(swaps: list[tuple[str, str, bool]]) -> Callable[[Aliases], ChampionWatch]:
    def _make(registry: Aliases) -> ChampionWatch:
        return ChampionWatch(
            registry, refuse_bad, on_swap=lambda m, v, ok: swaps.append((m.value, v, ok))
        )

    return _make


WatchOf = Callable[[Aliases], ChampionWatch]
REMAINING, RISK = Model.REMAINING_TIME, Model.DELAY_RISK


def test_loads_the_version_with_the_alias_once(watch_of: WatchOf) -> None:
    registry = Aliases(remaining_time="3", delay_risk="1")
    watch = watch_of(registry)

    watch.look()
    watch.look()

    assert (watch.champion(REMAINING).version, watch.champion(RISK).version) == ("3", "1")
    assert registry.loads == ["remaining_time:3", "delay_risk:1"]
    assert watch.states[REMAINING].message is None


def test_says_what_to_do_without_a_champion_and_finds_it_later(watch_of: WatchOf) -> None:
    registry = Aliases(delay_risk="1")
    watch = watch_of(registry)
    with pytest.raises(NoChampionError, match="has not been asked yet"):
        watch.champion(REMAINING)
    watch.look()
    with pytest.raises(NoChampionError, match=r"remaining_time .* alias champion\. Run the DAGs"):
        watch.champion(REMAINING)
    assert watch.champion(RISK).version == "1"

    registry.versions["remaining_time"] = "1"
    watch.look()

    assert watch.champion(REMAINING).version == "1"


def test_follows_the_alias_back_and_forth(
    watch_of: WatchOf, swaps: list[tuple[str, str, bool]]
) -> None:
    registry = Aliases(remaining_time="1")
    watch = watch_of(registry)
    for version in ("1", "2", "1"):
        registry.versions["remaining_time"] = version
        watch.look()
        assert watch.champion(REMAINING).version == version

    assert swaps == [("remaining_time", v, True) for v in ("1", "2", "1")]


def test_registry_away_keeps_what_is_loaded(watch_of: WatchOf) -> None:
    registry = Aliases(remaining_time="1")
    watch = watch_of(registry)
    watch.look()
    registry.is_away = True
    watch.look()

    assert watch.champion(REMAINING).version == "1"
    assert watch.states[REMAINING].message == (
        "version 1 goes on: MLflow at http://nowhere does not answer"
    )


def test_registry_away_at_the_start(watch_of: WatchOf) -> None:
    registry = Aliases(remaining_time="1")
    registry.is_away = True
    watch = watch_of(registry)
    watch.look()
    with pytest.raises(NoChampionError, match="http://nowhere does not answer"):
        watch.champion(REMAINING)
    registry.is_away = False
    watch.look()

    assert watch.champion(REMAINING).version == "1"


@pytest.mark.parametrize("broken", ["bad", "torn"])
def test_version_that_does_not_answer_is_kept_out(
    watch_of: WatchOf,
    swaps: list[tuple[str, str, bool]],
    broken: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry = Aliases(remaining_time="1")
    watch = watch_of(registry)
    watch.look()
    registry.versions["remaining_time"] = broken
    watch.look()
    watch.look()  # not tried again at once

    assert watch.champion(REMAINING).version == "1"
    assert f"version {broken} is kept out" in str(watch.states[REMAINING].message)
    assert registry.loads.count(f"remaining_time:{broken}") == 1
    monkeypatch.setattr(models.time, "monotonic", lambda: 1e12)
    watch.look()
    assert registry.loads.count(f"remaining_time:{broken}") == 2
    assert swaps == [("remaining_time", "1", True), ("remaining_time", broken, False)]


def test_alias_removed_means_no_answer(watch_of: WatchOf) -> None:
    registry = Aliases(remaining_time="1")
    watch = watch_of(registry)
    watch.look()
    del registry.versions["remaining_time"]
    watch.look()

    with pytest.raises(NoChampionError, match="no version carries the alias champion"):
        watch.champion(REMAINING)
