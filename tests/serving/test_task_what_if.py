"""Answers about tasks as they are not, by a real model; the task and its rows are the tests'."""

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines.contracts import Model
from pipelines.features.request_time import add_request_time
from pipelines.learning.boosting import TreeParams
from pipelines.learning.task_duration.durations import TaskDurations
from pipelines.learning.task_duration.features import TASK_ACTIVITY, TASK_PERSON
from pipelines.learning.task_duration.fit import fit_task_duration
from pipelines.learning.task_duration.spans import Span
from pipelines.store.online_rows import ServiceRows
from serving import task_answers
from serving.features import FeatureRead, completed
from serving.tasks import SourceHistory, Task
from tests.serving.conftest import World
from tests.serving.made_rows import AS_OF, TYPES, feature_row, frame_of

LOAD = "person_workload__open_task_count"
DUE_AT = "workflow_progress__due_at"
TASK = Task("T-1", "WF-1", "check", "ann", None, AS_OF - timedelta(days=1), *[None] * 4)


@pytest.fixture(scope="module")
def durations() -> TaskDurations:
    return durations_of(Span.SERVICE)


def durations_of(span: Span) -> TaskDurations:
    """Who holds more takes longer, and so does Bob."""
    rng = np.random.default_rng(3)
    load, is_bob = rng.integers(0, 9, 600), rng.random(600) < 0.5
    rows = [
        feature_row(
            f"W{i % 60}",
            **{LOAD: int(load[i]), DUE_AT: AS_OF + timedelta(hours=int(rng.integers(1, 99)))},
        )
        for i in range(600)
    ]
    frame = add_request_time(frame_of(rows)).assign(
        task_id=[str(i) for i in range(600)],
        ended_at=AS_OF,
        duration_s=600.0 * (1 + load) * (1 + is_bob),
        **{TASK_ACTIVITY: "check", TASK_PERSON: np.where(is_bob, "bob", "ann")},
    )
    place = np.arange(600)
    params = TreeParams(max_rounds=60, learning_rate=0.2)
    fitted = fit_task_duration(frame, place < 400, place >= 400, span, trial_count=2, params=params)
    return TaskDurations({span: fitted.model}, {})


@pytest.fixture
def tasks(world: World, durations: TaskDurations, monkeypatch: pytest.MonkeyPatch) -> World:
    def read(_: Any, questions: Any, as_of: Any) -> FeatureRead:
        people = [question.person_id for question in questions]
        read = [
            feature_row("WF-1", person_id=one, **{LOAD: 1}) | {"as_of": as_of} for one in people
        ]
        own = {TASK_ACTIVITY: ["check"] * len(people), TASK_PERSON: people}
        columns = {name: [row[name] for row in read] for name in read[0]}
        rows = completed(ServiceRows(columns, TYPES), as_of)
        return FeatureRead(rows.with_columns(own, dict.fromkeys(own, pa.string())))

    runtime = world.app.state.runtime
    monkeypatch.setattr(type(runtime.task_features), "read", read)
    monkeypatch.setattr(SourceHistory, "tasks", lambda *_: {"T-1": TASK})
    world.registry.predictors = {**world.registry.predictors, Model.TASK_DURATION: durations}  # type: ignore[dict-item]
    world.registry.versions[Model.TASK_DURATION] = "1"
    world.watch.look()
    return world


def ask(world: World, **asked: Any) -> Any:
    return world.client.post("/predict_duration", json={"task_id": "T-1", **asked})


def test_the_answer_is_the_models_for_such_a_task(tasks: World, durations: TaskDurations) -> None:
    own = ask(tasks).json()
    answer = ask(tasks, overrides={LOAD: 8}).json()

    row = add_request_time(frame_of([feature_row("WF-1", **{LOAD: 8})]))
    expected = durations.predict(row.assign(**{TASK_ACTIVITY: "check", TASK_PERSON: "ann"}))
    assert answer["service_time"]["median_s"] == pytest.approx(expected.iloc[0][Span.SERVICE])
    assert answer["service_time"]["median_s"] > 2 * own["service_time"]["median_s"]
    assert (own["is_what_if"], own["overrides"]) == (False, {})
    assert (answer["is_what_if"], answer["overrides"]) == (True, {LOAD: 8})


def test_person_and_features_may_both_be_others(tasks: World) -> None:
    of_ann = ask(tasks, overrides={LOAD: 8}).json()
    of_bob = ask(tasks, person_id="bob", overrides={LOAD: 8}).json()

    assert of_bob["person_id"] == "bob"
    assert of_bob["service_time"]["median_s"] > 1.5 * of_ann["service_time"]["median_s"]


def test_it_is_logged_apart(tasks: World) -> None:
    ask(tasks)
    ask(tasks, overrides={LOAD: 8})

    real, other = tasks.log.rows
    assert (real.variant, other.variant, other.propensity) == ("champion", "what_if", None)
    assert "overrides" not in real.inputs
    assert other.inputs["overrides"] == {LOAD: 8}
    assert (real.features[LOAD], other.features[LOAD]) == (1, 8)
    assert real.output.keys() == other.output.keys()


@pytest.mark.parametrize("shadowed", [{Model.TASK_DURATION}])
def test_nobody_computes_it_in_the_shadow(tasks: World) -> None:
    tasks.registry.challengers[Model.TASK_DURATION] = "2"
    tasks.watch.look()
    ask(tasks, overrides={LOAD: 8})
    tasks.shadows.stop(30)
    assert [row.variant for row in tasks.log.rows] == ["what_if"]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({LOAD: 1.5}, "a whole number"),
        ({"load": 1}, "no such feature"),
        # Asked about somebody else, all that is known of him would change too.
        ({TASK_PERSON: "bob"}, "no such feature"),
    ],
)
def test_what_cannot_be_is_named(tasks: World, overrides: dict[str, Any], words: str) -> None:
    response = ask(tasks, overrides=overrides)

    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["field"] == f"overrides.{next(iter(overrides))}"
    assert words in error["message"]
    assert tasks.log.rows == []


def test_what_follows_from_a_time_follows(tasks: World) -> None:
    ask(tasks, overrides={DUE_AT: (AS_OF + timedelta(hours=2)).isoformat()})
    (row,) = tasks.log.rows
    assert row.features["slack_s"] == 7_200


@pytest.mark.parametrize("challenger_ratio", [{Model.TASK_DURATION: 1.0}])
def test_a_challenger_that_fails_within_a_batch_leaves_no_answer_in_the_log(
    tasks: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks.registry.challengers[Model.TASK_DURATION] = "2"
    tasks.watch.look()
    expected, said = task_answers._expected, 0

    def fails_once(*of: Any) -> Any:
        nonlocal said
        said += 1
        if said == 2:  # of the challenger, the second
            raise ZeroDivisionError
        return expected(*of)

    monkeypatch.setattr(task_answers, "_expected", fails_once)
    answers = tasks.client.post("/predict_duration", json={"task_ids": ["T-1", "T-1"]}).json()

    assert [answer["model"]["version"] for answer in answers["answers"]] == ["1", "1"]
    logged = [(str(row.prediction_id), row.variant) for row in tasks.log.rows]
    assert logged == [(one["prediction_id"], "champion") for one in answers["answers"]]
