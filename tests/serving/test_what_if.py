"""Answers about workflows as they are not: right, said, logged apart, and kept for nobody."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pipelines.contracts import Model
from pipelines.features.request_time import add_request_time
from pipelines.learning.predictor import Predictor
from tests.serving.conftest import World
from tests.serving.made_rows import feature_row, frame_of
from tests.serving.untouched_cache import UntouchedCache

MODELS = {"/predict_duration": Model.REMAINING_TIME, "/assess_risk": Model.DELAY_RISK}
ATTRIBUTES = "workflow_progress__workflow_attributes"
REWORK = "workflow_progress__rework_count"
ACTIVITY = "workflow_progress__last_activity"
OPENED = "workflow_progress__opened_at"


def ask(world: World, endpoint: str, overrides: dict[str, Any]) -> Any:
    body = {"workflow_id": "WF-1", "overrides": overrides}
    return world.client.post(endpoint, json=body)


@pytest.mark.parametrize("endpoint", MODELS)
@pytest.mark.parametrize(
    ("overrides", "changes"),
    [
        ({REWORK: 5}, {REWORK: 5}),
        ({REWORK: None, ACTIVITY: "pay"}, {REWORK: None, ACTIVITY: "pay"}),
        ({f"{ATTRIBUTES}.amount": 899}, {ATTRIBUTES: '{"amount": 899}'}),
        ({f"{ATTRIBUTES}.amount": None}, {ATTRIBUTES: "{}"}),
        # What follows from the opening, follows.
        (
            {OPENED: "2016-03-30T14:00:00+02:00"},
            {OPENED: datetime(2016, 3, 30, 12, tzinfo=UTC)},
        ),
    ],
)
def test_the_answer_is_the_models_for_such_a_workflow(
    world: World,
    predictors: dict[Model, Predictor],
    endpoint: str,
    overrides: dict[str, Any],
    changes: dict[str, Any],
) -> None:
    answer = ask(world, endpoint, overrides).json()

    row = add_request_time(frame_of([feature_row("WF-1", **changes)]))
    for name, value in predictors[MODELS[endpoint]].predict(row).iloc[0].items():
        assert answer[name] == pytest.approx(value, rel=1e-9)
    assert (answer["is_what_if"], answer["overrides"]) == (True, overrides)


def test_what_is_asked_of_the_moment_itself_is_not_computed_again(world: World) -> None:
    own = ask(world, "/predict_duration", {OPENED: "2016-03-31T12:00:00Z", "elapsed_now_s": 60})
    assert own.status_code == 200
    (row,) = world.log.rows
    assert row.features["elapsed_now_s"] == 60


def test_it_is_logged_apart(world: World) -> None:
    real = world.client.post("/assess_risk", json={"workflow_id": "WF-1"}).json()
    assert (real["is_what_if"], real["overrides"]) == (False, {})
    answer = ask(world, "/assess_risk", {REWORK: 5}).json()

    first, second = world.log.rows
    assert (first.variant, first.inputs) == (
        "champion",
        {"workflow_id": "WF-1", "workflow_count": 1},
    )
    assert (second.variant, second.propensity, second.model_alias) == ("what_if", None, "champion")
    assert second.inputs["overrides"] == {REWORK: 5}
    assert (first.features[REWORK], second.features[REWORK]) == (1, 5)
    assert first.output.keys() == second.output.keys()
    assert str(second.prediction_id) == answer["prediction_id"]


@pytest.mark.parametrize("shadowed", [{Model.DELAY_RISK}])
def test_nobody_computes_it_in_the_shadow(world: World) -> None:
    world.registry.challengers[Model.DELAY_RISK] = "2"
    world.watch.look()
    ask(world, "/assess_risk", {REWORK: 5})
    world.shadows.stop(30)
    assert [row.variant for row in world.log.rows] == ["what_if"]


@pytest.mark.parametrize(
    ("overrides", "field", "words"),
    [
        ({"rework_count": 1}, "rework_count", f"no such feature; among the 7 it has are {REWORK}"),
        ({"as_of": "2016-03-30T14:00:00Z"}, "as_of", "no such feature"),
        ({ATTRIBUTES: "{}"}, ATTRIBUTES, "no such feature"),
        ({REWORK: 1.5}, REWORK, "a whole number"),
        ({REWORK: True}, REWORK, "a whole number"),
        ({REWORK: "1"}, REWORK, "a whole number"),
        ({ACTIVITY: 1}, ACTIVITY, "a text"),
        ({OPENED: "yesterday"}, OPENED, "RFC 3339"),
        ({OPENED: 17}, OPENED, "RFC 3339"),
        ({OPENED: "9999-12-31T23:00:00Z"}, OPENED, "1900"),
        ({"elapsed_now_s": False}, "elapsed_now_s", "a number"),
        ({REWORK: []}, REWORK, "a text, a number"),
        ({REWORK: "a\x00"}, REWORK, "NUL"),
    ],
)
def test_what_cannot_be_is_named(
    world: World, overrides: dict[str, Any], field: str, words: str
) -> None:
    response = ask(world, "/assess_risk", {**overrides})

    assert response.status_code == 422
    content = response.json()
    assert content["type"] == "urn:problem-type:workcast:invalid-request"
    (error,) = content["errors"]
    assert error["field"] == f"overrides.{field}"
    assert words in error["message"]
    assert f"overrides.{field}" in content["detail"]
    assert world.log.rows == []


def test_every_fault_is_named(world: World) -> None:
    errors = ask(world, "/assess_risk", {"x": 1, REWORK: 2, ACTIVITY: 3}).json()["errors"]
    assert [error["field"] for error in errors] == ["overrides.x", f"overrides.{ACTIVITY}"]


@pytest.mark.parametrize(("workflow_id", "status"), [("nobody", 404), ("closed", 422)])
def test_there_is_no_what_if_of_what_is_not_running(
    world: World, workflow_id: str, status: int
) -> None:
    body = {"workflow_id": workflow_id, "overrides": {REWORK: 1}}
    assert world.client.post("/assess_risk", json=body).status_code == status


def test_no_overrides_are_no_question(world: World) -> None:
    (error,) = ask(world, "/assess_risk", {}).json()["errors"]
    assert error["field"] == "overrides"


def test_answers_are_neither_taken_from_the_cache_nor_kept(world: World) -> None:
    object.__setattr__(world.app.state.runtime, "cache", UntouchedCache())
    assert ask(world, "/assess_risk", {REWORK: 5}).status_code == 200
    real = world.client.post("/assess_risk", json={"workflow_id": "WF-1"})
    assert real.status_code == 500  # which does look


@pytest.mark.parametrize("endpoint", MODELS)
@pytest.mark.parametrize(
    "overrides",
    [{REWORK: 3}, {OPENED: "2016-03-30T12:00:00Z"}, {f"{ATTRIBUTES}.amount": 899, ACTIVITY: "pay"}],
)
def test_many_are_as_each_would_be_alone(
    world: World, endpoint: str, overrides: dict[str, Any]
) -> None:
    ids = ["WF-2", "nobody", "WF-1", "closed", "young"]
    batch = world.client.post(endpoint, json={"workflow_ids": ids, "overrides": overrides}).json()
    alone = [
        world.client.post(endpoint, json={"workflow_id": one, "overrides": overrides}).json()
        for one in ("WF-2", "WF-1", "young")
    ]
    for got, expected in zip(batch["answers"], alone, strict=True):
        figures = {name: value for name, value in expected.items() if isinstance(value, float)}
        assert {name: got[name] for name in figures} == pytest.approx(figures, rel=1e-9)
        assert len(figures) >= 1
        same = ("workflow_id", "as_of", "features_known_at", "is_what_if", "overrides")
        assert [got[name] for name in same] == [expected[name] for name in same]
        assert (got["is_what_if"], got["overrides"]) == (True, overrides)
        reasons = [[one["feature"] for one in each.get("reasons", [])] for each in (got, expected)]
        assert reasons[0] == reasons[1]
    assert [one["problem"]["status"] for one in batch["problems"]] == [404, 422]
    assert {(row.variant, row.propensity) for row in world.log.rows} == {("what_if", None)}
    many, single = world.log.rows[:3], world.log.rows[3:]
    # As texts: a missing number differs from itself.
    assert [str(row.features) for row in many] == [str(row.features) for row in single]
    assert {row.inputs["workflow_count"] for row in many} == {5}
    assert all(row.inputs["overrides"] == overrides for row in many)


def test_a_fault_in_a_batch_is_named(world: World) -> None:
    body = {"workflow_ids": ["WF-1", "WF-2"], "overrides": {REWORK: 1.5}}
    response = world.client.post("/predict_duration", json=body)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["field"] == f"overrides.{REWORK}"


@pytest.mark.parametrize("shadowed", [{Model.DELAY_RISK}])
def test_nobody_computes_a_batch_in_the_shadow(world: World) -> None:
    world.registry.challengers[Model.DELAY_RISK] = "2"
    world.watch.look()
    body = {"workflow_ids": ["WF-1", "WF-2"], "overrides": {REWORK: 5}}
    assert len(world.client.post("/assess_risk", json=body).json()["answers"]) == 2
    world.shadows.stop(30)
    assert [row.variant for row in world.log.rows] == ["what_if"] * 2
