"""What follows in running workflows, asked one by one and at the same moment."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from httpx import Response

from pipelines.contracts import Model
from pipelines.learning.methods import METHODS
from pipelines.learning.next_activity.model import NextActivityModel
from pipelines.learning.next_activity.prefixes import END
from pipelines.learning.next_activity.rows import next_activity_rows, task_sequence
from pipelines.learning.training_set import TrainingSet
from serving.tasks import SourceHistory
from serving.traffic import place
from tests.learning.next_activity.events import as_read
from tests.learning.whole_history import WholeHistory, make_whole_history
from tests.serving.at_once import FIRST, AtOnce, said
from tests.serving.conftest import World
from tests.serving.made_rows import AS_OF

PATH = "/suggest_templates"
# Of one workflow two ask at once, and not for as many activities.
QUESTIONS = [
    {"workflow_id": "w0003"},
    {"workflow_id": "nobody"},
    {"workflow_id": "w0012", "count": 20},
    {"workflow_id": "closed"},
    {"workflow_id": "w0003", "count": 1},
    {"workflow_id": "closes"},
]
STATUSES = [200, 404, 200, 422, 200, 200]
RUNNING = [one for one, status in zip(QUESTIONS, STATUSES, strict=True) if status == 200]

AskAtOnce = Callable[[], list[Response]]


@pytest.fixture(scope="module")
def history() -> WholeHistory:
    return make_whole_history(600)


@pytest.fixture(scope="module")
def following(history: WholeHistory) -> NextActivityModel:
    split = history.split
    rows = next_activity_rows(history.task_events, history.workflows, split, 100_000, 0)
    learned = TrainingSet(rows, split)
    return METHODS[Model.NEXT_ACTIVITY].train(learned, seed=1, trial_count=1).predictor


@pytest.fixture
def running(
    world: World,
    following: NextActivityModel,
    history: WholeHistory,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    """The history's first workflows, each with its first events; `closed` has ended."""
    world.registry.predictors = {**world.registry.predictors, Model.NEXT_ACTIVITY: following}  # type: ignore[dict-item]
    world.registry.versions[Model.NEXT_ACTIVITY] = "2"
    world.watch.look()
    events = as_read(_begun(history), history.workflows)
    closed_at = {"closed": AS_OF - timedelta(days=1), "closes": AS_OF + timedelta(days=1)}
    read = {one[0]["workflow_id"]: one for one in events}
    read |= dict.fromkeys(closed_at, events[0])

    def events_of(
        _: SourceHistory, workflow_ids: Sequence[str], as_of: Any
    ) -> dict[str, list[dict[str, Any]]]:
        assert as_of == AS_OF
        return {
            one: [{**row, "closure_recorded_at": closed_at.get(one)} for row in read[one]]
            for one in workflow_ids
            if one in read
        }

    monkeypatch.setattr(SourceHistory, "events", events_of)
    return world


def _begun(history: WholeHistory) -> pd.DataFrame:
    events = history.task_events[history.task_events["workflow_id"] <= "w0030"]
    number = events["workflow_id"].str[1:].astype(int)
    return events[events.groupby("workflow_id").cumcount() <= number % 8]


def test_what_follows_is_what_the_model_says_of_a_frame(
    running: World, following: NextActivityModel, history: WholeHistory
) -> None:
    events = _begun(history)
    for workflow_id, of in events.groupby("workflow_id"):
        rows = task_sequence(of, history.workflows)
        expected = following.predict(rows)
        answer = running.client.post("/suggest_templates", json={"workflow_id": workflow_id}).json()
        found = answer["next_activities"]
        assert [one["activity"] or END for one in found] == expected["activity"].tolist()
        assert [one["is_end"] for one in found] == (expected["activity"] == END).tolist()
        assert [one["rank"] for one in found] == expected["rank"].tolist()
        assert [one["probability"] for one in found] == pytest.approx(
            expected["probability"].tolist(), rel=0, abs=1e-12
        )
        assert answer["last_activity"] == rows["activity"].iloc[-1]
        known_at = of[["occurred_at", "recorded_at"]].max(axis=None)
        assert pd.Timestamp(answer["features_known_at"]) == known_at
        logged = running.log.rows[-1]
        assert logged.features == {"activities": rows["activity"].tolist()}
        assert logged.output == {"next_activities": found}


def test_nothing_follows_in_a_closed_workflow_nor_in_an_unknown_one(running: World) -> None:
    told = {"closed": (422, "closed-workflow"), "nobody": (404, "unknown-workflow")}
    for workflow_id, (status, kind) in told.items():
        answer = running.client.post("/suggest_templates", json={"workflow_id": workflow_id})
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (status, kind)
    closes = running.client.post("/suggest_templates", json={"workflow_id": "closes"})
    assert closes.status_code == 200


@pytest.fixture
def reads(running: World, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The ids whose events were read, each time."""
    read = SourceHistory.events
    reads: list[list[str]] = []

    def noted(history: SourceHistory, workflow_ids: Sequence[str], as_of: Any) -> Any:
        reads.append(list(workflow_ids))
        return read(history, workflow_ids, as_of)

    monkeypatch.setattr(SourceHistory, "events", noted)
    return reads


@pytest.fixture
def ask_at_once(
    running: World, at_once: AtOnce, reads: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> AskAtOnce:
    read = SourceHistory.events

    def held(history: SourceHistory, workflow_ids: Sequence[str], as_of: Any) -> Any:
        return at_once.held(partial(read, history))(workflow_ids, as_of)

    monkeypatch.setattr(SourceHistory, "events", held)
    return lambda: at_once(PATH, QUESTIONS)


def test_each_is_answered_as_alone(running: World, ask_at_once: AskAtOnce) -> None:
    alone = [running.client.post(PATH, json=one) for one in QUESTIONS]
    together = ask_at_once()
    assert [one.status_code for one in together] == STATUSES
    assert list(map(said, together)) == list(map(said, alone))
    answers = [one.json() for one in together if one.status_code == 200]
    assert len({one["prediction_id"] for one in answers}) == len(answers)
    assert [len(one["next_activities"]) for one in answers] == [3, 4, 1, 3]


def test_events_are_read_of_all_at_once(ask_at_once: AskAtOnce, reads: list[list[str]]) -> None:
    ask_at_once()
    assert reads == [[FIRST], ["w0003", "nobody", "w0012", "closed", "closes"]]


def test_each_is_logged_as_a_request_of_its_own(running: World, ask_at_once: AskAtOnce) -> None:
    answers = [one.json() for one in ask_at_once() if one.status_code == 200]
    rows = running.log.rows
    assert [row.key for row in rows] == [one["prediction_id"] for one in answers]
    assert [row.inputs for row in rows] == [{"count": 3, **one} for one in RUNNING]
    assert [row.output for row in rows] == [
        {"next_activities": one["next_activities"]} for one in answers
    ]
    # They came one after the other, and were answered at the same moment.
    assert all(a.requested_at < b.requested_at for a, b in pairwise(rows))
    assert all(a.latency_ms > b.latency_ms for a, b in pairwise(rows))


@pytest.mark.parametrize("challenger_ratio", [{Model.NEXT_ACTIVITY: 0.5}])
def test_each_is_answered_by_its_version(running: World, ask_at_once: AskAtOnce) -> None:
    running.registry.challengers[Model.NEXT_ACTIVITY] = "3"
    running.watch.look()
    versions = [
        "3" if place(Model.NEXT_ACTIVITY, str(one["workflow_id"])) < 0.5 else "2" for one in RUNNING
    ]
    assert len(set(versions)) == 2
    answers = [one.json() for one in ask_at_once() if one.status_code == 200]
    assert [one["workflow_id"] for one in answers] == [one["workflow_id"] for one in RUNNING]
    assert [one["model"]["version"] for one in answers] == versions
    logged = {row.key: (row.model_version, row.variant) for row in running.log.rows}
    variants = {"2": ("2", "champion"), "3": ("3", "challenger")}
    assert [logged[one["prediction_id"]] for one in answers] == [variants[of] for of in versions]


@pytest.mark.parametrize("shadowed", [{Model.NEXT_ACTIVITY}])
def test_a_shadow_says_the_same_of_each(running: World, ask_at_once: AskAtOnce) -> None:
    running.registry.challengers[Model.NEXT_ACTIVITY] = "3"
    running.watch.look()
    ask_at_once()
    running.shadows.stop(30)
    rows = running.log.rows
    shown, shadows = rows[: len(RUNNING)], rows[len(RUNNING) :]
    assert {(row.model_version, row.variant) for row in shadows} == {("3", "shadow")}
    assert [(row.inputs, row.output) for row in shadows] == [
        (row.inputs, row.output) for row in shown
    ]


def test_one_that_breaks_the_model_breaks_no_other(
    running: World, ask_at_once: AskAtOnce, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict_workflows = NextActivityModel.predict_workflows

    def breaks(self: NextActivityModel, workflows: Sequence[Any], count: int) -> Any:
        if any(tasks[0]["workflow_id"] == "w0012" for tasks in workflows):
            raise ZeroDivisionError
        return predict_workflows(self, workflows, count)

    monkeypatch.setattr(NextActivityModel, "predict_workflows", breaks)
    assert [one.status_code for one in ask_at_once()] == [200, 404, 500, 422, 200, 200]
    assert len(running.log.rows) == 3
