from collections.abc import Callable

import pytest

from pipelines.contracts import WORKFLOW_MODELS, Alias, Model
from pipelines.errors import RegistryError
from serving import watch as watching
from serving.checks import CheckFailedError
from serving.models import Candidate
from serving.problems import NoChampionError
from serving.watch import VersionWatch

CHAMPION, CHALLENGER = Alias.CHAMPION, Alias.CHALLENGER


class Aliases:
    """A registry in memory; `is_away` makes it fail as a server that is not there."""

    def __init__(self, **champions: str) -> None:
        self.versions = {CHAMPION: champions, CHALLENGER: {}}
        self.is_away = False
        self.question_count = 0
        self.loads: list[str] = []
        self.disk: dict[tuple[str, Alias], str] = {}

    def aliases(self) -> dict[Model, dict[Alias, str]]:
        self.question_count += 1
        if self.is_away:
            raise RegistryError("MLflow at http://nowhere does not answer")
        names = {name for of in self.versions.values() for name in of}
        return {
            Model(name): {a: of[name] for a, of in self.versions.items() if name in of}
            for name in names
        }

    def load(self, model: Model, version: str) -> Candidate:
        self.loads.append(f"{model}:{version}")
        if version == "torn":
            raise RegistryError("no such artifact")
        return candidate(version)

    def kept(self, model: Model, alias: Alias) -> Candidate | None:
        version = self.disk.get((model.value, alias))
        return None if version is None else candidate(version)

    def keep(self, model: Model, alias: Alias, candidate: Candidate) -> None:
        self.disk[model.value, alias] = candidate.version

    def forget(self, model: Model, alias: Alias) -> None:
        self.disk.pop((model.value, alias), None)


def candidate(version: str) -> Candidate:
    return Candidate(version, "run", None, None)  # type: ignore[arg-type]


def refuse_bad(model: Model, candidate: Candidate) -> None:
    if candidate.version.startswith("bad"):
        raise CheckFailedError("it answers nothing")


@pytest.fixture
def swaps() -> list[tuple[str, str, str]]:
    return []


WatchOf = Callable[[Aliases], VersionWatch]
REMAINING, RISK = Model.REMAINING_TIME, Model.DELAY_RISK


@pytest.fixture
def watch_of(swaps: list[tuple[str, str, str]]) -> WatchOf:
    def _make(registry: Aliases) -> VersionWatch:
        return VersionWatch(
            registry, refuse_bad, on_swap=lambda m, a, r: swaps.append((m.value, a.value, r))
        )

    return _make


def test_loads_the_versions_with_the_aliases_once(watch_of: WatchOf) -> None:
    registry = Aliases(remaining_time="3", delay_risk="1")
    registry.versions[CHALLENGER]["delay_risk"] = "2"
    watch = watch_of(registry)

    watch.look()
    watch.look()

    assert (watch.champion(REMAINING).version, watch.champion(RISK).version) == ("3", "1")
    challenger = watch.loaded(RISK, CHALLENGER)
    assert challenger is not None
    assert (challenger.version, challenger.alias) == ("2", CHALLENGER)
    assert watch.loaded(REMAINING, CHALLENGER) is None
    assert registry.loads == ["remaining_time:3", "delay_risk:1", "delay_risk:2"]
    assert registry.question_count == 2  # one a look
    told = {state.message for (model, _), state in watch.states.items() if model in WORKFLOW_MODELS}
    assert told == {None}


def test_says_what_to_do_without_a_champion_and_finds_it_later(watch_of: WatchOf) -> None:
    registry = Aliases(delay_risk="1")
    watch = watch_of(registry)
    with pytest.raises(NoChampionError, match="has not been asked yet"):
        watch.champion(REMAINING)
    watch.look()
    with pytest.raises(NoChampionError, match=r"remaining_time .* alias champion\. Run the DAGs"):
        watch.champion(REMAINING)
    assert watch.champion(RISK).version == "1"

    registry.versions[CHAMPION]["remaining_time"] = "1"
    watch.look()

    assert watch.champion(REMAINING).version == "1"


def test_follows_the_alias_back_and_forth(
    watch_of: WatchOf, swaps: list[tuple[str, str, str]]
) -> None:
    registry = Aliases(remaining_time="1")
    watch = watch_of(registry)
    for version in ("1", "2", "1"):
        registry.versions[CHAMPION]["remaining_time"] = version
        watch.look()
        assert watch.champion(REMAINING).version == version
        assert registry.disk == {("remaining_time", CHAMPION): version}

    assert swaps == [("remaining_time", "champion", "taken")] * 3


def test_registry_away_keeps_what_is_loaded(watch_of: WatchOf) -> None:
    registry = Aliases(remaining_time="1")
    watch = watch_of(registry)
    watch.look()
    registry.is_away = True
    watch.look()

    assert registry.question_count == 2  # one that is away is asked once a look too
    assert watch.is_registry_away
    assert watch.champion(REMAINING).version == "1"
    assert watch.states[REMAINING, CHAMPION].message == (
        "version 1 goes on: MLflow at http://nowhere does not answer"
    )
    with pytest.raises(NoChampionError, match="http://nowhere does not answer"):
        watch.champion(RISK)
    assert not watch.champion(REMAINING).is_from_disk


def test_registry_away_at_the_start_reads_the_copy_on_disk(
    watch_of: WatchOf, swaps: list[tuple[str, str, str]]
) -> None:
    registry = Aliases(remaining_time="2")
    registry.disk = {("remaining_time", CHAMPION): "1", ("remaining_time", CHALLENGER): "bad"}
    registry.is_away = True
    watch = watch_of(registry)
    watch.look()

    assert (watch.champion(REMAINING).version, watch.champion(REMAINING).is_from_disk) == (
        "1",
        True,
    )
    assert watch.states[REMAINING, CHAMPION].message == (
        "version 1 goes on: MLflow at http://nowhere does not answer"
    )
    assert watch.loaded(REMAINING, CHALLENGER) is None  # what is on disk is checked too
    with pytest.raises(NoChampionError, match="http://nowhere does not answer"):
        watch.champion(RISK)
    registry.is_away = False
    watch.look()

    assert (watch.champion(REMAINING).version, watch.champion(REMAINING).is_from_disk) == (
        "2",
        False,
    )
    assert watch.states[REMAINING, CHAMPION].message is None
    assert swaps == [
        ("remaining_time", "champion", "from_disk"),
        ("remaining_time", "champion", "taken"),
    ]


def test_registry_made_anew_counts_from_one_again(watch_of: WatchOf) -> None:
    registry = Aliases(remaining_time="1")
    registry.disk = {("remaining_time", CHAMPION): "1"}
    registry.is_away = True
    watch = watch_of(registry)
    watch.look()
    registry.is_away = False
    watch.look()

    assert registry.loads == ["remaining_time:1"]
    assert not watch.champion(REMAINING).is_from_disk


def test_version_that_fails_its_check_is_kept_out_until_the_alias_moves(
    watch_of: WatchOf, swaps: list[tuple[str, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Aliases(remaining_time="1")
    watch = watch_of(registry)
    watch.look()
    for version in ("bad", "bad 2", "bad"):
        registry.versions[CHAMPION]["remaining_time"] = version
        watch.look()
        monkeypatch.setattr(watching.time, "monotonic", lambda: 1e12)
        watch.look()

        state = watch.states[REMAINING, CHAMPION]
        assert watch.champion(REMAINING).version == "1"
        assert state.message == f"version {version} is kept out: it answers nothing"
        assert state.refused_version == version
    assert registry.loads == [f"remaining_time:{v}" for v in ("1", "bad", "bad 2", "bad")]
    assert [result for _, _, result in swaps] == ["taken", "refused", "refused", "refused"]
    assert registry.disk == {("remaining_time", CHAMPION): "1"}
    registry.versions[CHAMPION]["remaining_time"] = "1"
    watch.look()
    assert watch.states[REMAINING, CHAMPION].message is None
    assert watch.states[REMAINING, CHAMPION].refused_version is None


def test_version_that_cannot_be_fetched_is_tried_again(
    watch_of: WatchOf, swaps: list[tuple[str, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Aliases(remaining_time="1")
    watch = watch_of(registry)
    watch.look()
    registry.versions[CHAMPION]["remaining_time"] = "torn"
    watch.look()
    watch.look()  # not tried again at once

    assert watch.champion(REMAINING).version == "1"
    assert "version torn is kept out" in str(watch.states[REMAINING, CHAMPION].message)
    assert registry.loads.count("remaining_time:torn") == 1
    monkeypatch.setattr(watching.time, "monotonic", lambda: 1e12)
    watch.look()
    assert registry.loads.count("remaining_time:torn") == 2
    assert [result for _, _, result in swaps] == ["taken", "not_loaded"]


def test_start_with_a_bad_champion_takes_the_last_good_one_from_disk(watch_of: WatchOf) -> None:
    registry = Aliases(remaining_time="bad")
    registry.disk = {("remaining_time", CHAMPION): "1"}
    watch = watch_of(registry)
    watch.look()

    assert watch.champion(REMAINING).version == "1"
    assert watch.states[REMAINING, CHAMPION].refused_version == "bad"


def test_alias_removed_means_no_answer(watch_of: WatchOf) -> None:
    registry = Aliases(remaining_time="1")
    watch = watch_of(registry)
    watch.look()
    del registry.versions[CHAMPION]["remaining_time"]
    watch.look()

    with pytest.raises(NoChampionError, match="no version carries the alias champion"):
        watch.champion(REMAINING)
    assert registry.disk == {}
