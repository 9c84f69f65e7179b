from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipelines.contracts import WORKFLOW_MODELS, Model
from pipelines.learning.predictor import Predictor
from serving.shadow import ShadowQueue
from serving.traffic import place
from tests.serving.conftest import World
from tests.serving.made_rows import feature_row

REMAINING = Model.REMAINING_TIME
IDS = [f"workflow {i}" for i in range(400)]


def test_places_are_even_stable_and_independent_between_models() -> None:
    places = {m: np.array([place(m, f"W{i}") for i in range(20_000)]) for m in WORKFLOW_MODELS}

    for of_model in places.values():
        counts, _ = np.histogram(of_model, bins=10, range=(0, 1))
        assert ((counts - 2_000) ** 2 / 2_000).sum() < 27.9  # chi-squared, 9 degrees, 0.1 %
    correlations = np.corrcoef(list(places.values()))[~np.eye(len(places), dtype=bool)]
    assert np.abs(correlations).max() < 0.03
    assert place(REMAINING, "W1") == pytest.approx(0.727475, abs=1e-6)


@pytest.fixture
def two_versions(world: World, predictors: dict[Model, Predictor]) -> World:
    """A world whose challenger of remaining time answers the double."""

    class Doubled(Predictor):
        def _answers(self, matrix: Any) -> Any:
            return {name: 2 * value for name, value in super()._answers(matrix).items()}

    own = predictors[REMAINING]
    doubled = Doubled(own.model, own.encoder, own.scores, own.fitted, own.facts)
    load = world.registry.load
    world.registry.load = lambda m, v: (  # type: ignore[method-assign]
        replace(load(m, v), predictor=doubled) if v == "2" else load(m, v)
    )
    world.registry.challengers[REMAINING] = "2"
    world.store.rows |= {i: feature_row(i) for i in IDS}
    world.watch.look()
    return world


@pytest.mark.parametrize("challenger_ratio", [{REMAINING: 0.25}])
def test_a_share_of_workflows_is_the_challengers(two_versions: World) -> None:
    world = two_versions
    answer = world.client.post("/predict_duration", json={"workflow_ids": [*IDS, "no"]}).json()

    assert [a["workflow_id"] for a in answer["answers"]] == IDS
    drawn = [i for i in IDS if place(REMAINING, i) < 0.25]
    assert 70 < len(drawn) < 130
    by_challenger = [a for a in answer["answers"] if a["model"]["version"] == "2"]
    assert [a["workflow_id"] for a in by_challenger] == drawn
    assert {a["model"]["alias"] for a in by_challenger} == {"challenger"}
    seconds = {a["model"]["version"]: a["remaining_time_s"] for a in answer["answers"]}
    assert seconds["2"] == pytest.approx(2 * seconds["1"])
    logged = {(p.variant, p.model_version, p.propensity) for p in world.log.rows}
    assert logged == {("champion", "1", 0.75), ("challenger", "2", 0.25)}
    for workflow_id in (drawn[0], next(i for i in IDS if i not in drawn)):
        alone = world.client.post("/predict_duration", json={"workflow_id": workflow_id}).json()
        together = next(a for a in answer["answers"] if a["workflow_id"] == workflow_id)
        assert alone["model"] == together["model"]
        assert alone["remaining_time_s"] == pytest.approx(together["remaining_time_s"])
    states = world.client.get("/models").json()
    assert (states["models"][0]["traffic_ratio"], states["models"][1]["traffic_ratio"]) == (0.75, 1)
    (challenger,) = states["challengers"]
    assert (challenger["version"], challenger["traffic_ratio"], challenger["is_shadow"]) == (
        "2",
        0.25,
        False,
    )


@pytest.mark.parametrize("challenger_ratio", [{REMAINING: 0.25}])
def test_without_a_challenger_the_champion_answers_everything(world: World) -> None:
    world.store.rows |= {i: feature_row(i) for i in IDS}
    world.client.post("/predict_duration", json={"workflow_ids": IDS})

    assert {(p.variant, p.propensity) for p in world.log.rows} == {("champion", 1.0)}
    assert world.client.get("/models").json()["challengers"] == []


@pytest.mark.parametrize("challenger_ratio", [{REMAINING: 1.0}])
def test_challenger_that_fails_leaves_the_word_to_the_champion(
    two_versions: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenger = two_versions.app.state.runtime.traffic.choose(REMAINING, IDS[:1])[0][0]
    monkeypatch.setattr(type(challenger.loaded.predictor), "_answers", lambda *_: 1 / 0)

    answer = two_versions.client.post("/predict_duration", json={"workflow_id": IDS[0]})

    assert (answer.status_code, answer.json()["model"]["alias"]) == (200, "champion")
    (row,) = two_versions.log.rows
    assert (row.variant, row.propensity) == ("champion", None)


@pytest.mark.parametrize("challenger_ratio", [{REMAINING: 1.0}])
def test_what_if_is_asked_of_the_version_that_answers_or_of_the_champion(
    two_versions: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"workflow_id": IDS[0], "overrides": {"workflow_progress__rework_count": 5}}
    challenger = two_versions.app.state.runtime.traffic.choose(REMAINING, IDS[:1])[0][0]
    first = two_versions.client.post("/predict_duration", json=body).json()
    monkeypatch.setattr(type(challenger.loaded.predictor), "_answers", lambda *_: 1 / 0)
    second = two_versions.client.post("/predict_duration", json=body).json()

    assert [one["model"]["alias"] for one in (first, second)] == ["challenger", "champion"]
    assert first["remaining_time_s"] == pytest.approx(2 * second["remaining_time_s"])
    assert [row.variant for row in two_versions.log.rows] == ["what_if", "what_if"]


@pytest.mark.parametrize("shadowed", [{REMAINING}])
def test_a_shadow_is_computed_and_shown_to_nobody(two_versions: World) -> None:
    world = two_versions
    one = world.client.post("/predict_duration", json={"workflow_id": IDS[0]}).json()
    many = world.client.post("/predict_duration", json={"workflow_ids": IDS[:3]}).json()
    world.client.post("/assess_risk", json={"workflow_id": IDS[0]})
    world.shadows.stop(30)

    assert {a["model"]["version"] for a in [one, *many["answers"]]} == {"1"}
    shown = [p for p in world.log.rows if p.variant == "champion"]
    shadows = [p for p in world.log.rows if p.variant == "shadow"]
    assert len(shown) == 5
    assert [(p.workflow_id, p.model_version, p.propensity) for p in shadows] == [
        (i, "2", 0.0) for i in (IDS[0], *IDS[:3])
    ]
    assert shadows[0].output["remaining_time_s"] == pytest.approx(2 * one["remaining_time_s"])
    assert shadows[0].as_of == shown[0].as_of
    assert not {str(p.prediction_id) for p in shadows} & {one["prediction_id"]}


def test_more_shadows_than_can_wait_are_dropped() -> None:
    dropped: list[int] = []
    done: list[int] = []
    queue = ShadowQueue(lambda: dropped.append(1), most_waiting=2)
    queue.add(lambda: 1 / 0)  # one that fails does not stop the others
    for number in range(3):
        queue.add(lambda number=number: done.append(number))  # type: ignore[misc]
    queue.start()
    queue.stop(30)

    assert (done, dropped) == ([0], [1, 1])
