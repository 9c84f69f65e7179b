"""Who should do a task if people were others than they are; a real ranker, a real history."""

import json
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
import redis

from pipelines.contracts import Model
from pipelines.learning.assignee.state import AssigneeState
from pipelines.learning.task_duration.features import TASK_ACTIVITY, TASK_PERSON
from pipelines.learning.task_duration.spans import Span
from pipelines.store.online_rows import ServiceRows
from pipelines.store.stamp import put_new_stamp
from pipelines.store.valkey import Valkey
from serving import assignees
from serving.cache import AnswerCache
from serving.features import FeatureRead, completed
from serving.tasks import SourceHistory, Task
from tests.learning.assignee.company_ranker import NOW, company_ranker, company_state
from tests.serving.conftest import World
from tests.serving.made_rows import TYPES, feature_row
from tests.serving.test_task_what_if import LOAD, durations_of
from tests.serving.untouched_cache import UntouchedCache

HELD = "held_task_count"
SINCE = "since_task_activity_s"
TASK = Task("T-1", "w159", "pay", None, "desk", NOW - timedelta(days=1), *[None] * 4)
TWO_VERSIONS = pytest.mark.parametrize("challenger_ratio", [{Model.ASSIGNEE: 1.0}])


@pytest.fixture(scope="module")
def state() -> AssigneeState:
    """Ann holds two tasks, Cem one; Ann, Bob, Cem, Dee and Eva are all there are."""
    return company_state()


@pytest.fixture
def asked(world: World, state: AssigneeState, monkeypatch: pytest.MonkeyPatch) -> World:
    runtime = world.app.state.runtime
    world.clock.as_of = NOW
    monkeypatch.setattr(type(runtime.staff), "state", lambda _: (state, NOW))
    monkeypatch.setattr(SourceHistory, "tasks", lambda *_: {"T-1": TASK})
    known = world.registry.predictors
    world.registry.predictors = {**known, Model.ASSIGNEE: company_ranker()}  # type: ignore[dict-item]
    world.registry.versions[Model.ASSIGNEE] = "1"
    world.watch.look()
    return world


def ask(world: World, overrides: Any = None, **more: Any) -> Any:
    body = {"task_id": "T-1", **more} | ({} if overrides is None else {"overrides": overrides})
    # As text: httpx writes no NaN.
    kind = {"content-type": "application/json"}
    return world.client.post("/recommend_assignees", content=json.dumps(body), headers=kind)


def held(response: Any) -> dict[str, int]:
    return {one["person_id"]: one[HELD] for one in response.json()["candidates"]}


def test_the_answer_is_of_the_other_values_and_says_so(asked: World) -> None:
    own = ask(asked).json()
    overrides = {"ann": {HELD: 0, SINCE: None}, "dee": {HELD: 4, "hour_ratio": 0.25}}
    answer = ask(asked, overrides).json()

    assert (own["is_what_if"], own["overrides"]) == (False, {})
    assert (answer["is_what_if"], answer["overrides"]) == (True, overrides)
    assert json.dumps(answer["overrides"]) == json.dumps(overrides)  # 0 is not 0.0
    scores = [
        {one["person_id"]: one["score"] for one in each["candidates"]} for each in (own, answer)
    ]
    assert {name for name, score in scores[0].items() if scores[1][name] != score} == {"ann", "dee"}
    counts = {one["person_id"]: one[HELD] for one in answer["candidates"]}
    assert counts == {"ann": 0, "bob": 0, "cem": 1, "dee": 4, "eva": 0}
    reasons = [reason for one in answer["candidates"] for reason in one["reasons"]]
    means = [reason for reason in reasons if reason.endswith("the candidates' mean is 1.0")]
    assert means == [reason for reason in reasons if "open task" in reason] != []


def test_a_step_may_be_asked_about_too(asked: World) -> None:
    step = {"workflow_id": "w159", "activity": "pay", "overrides": {"ann": {HELD: 7}}}
    response = asked.client.post("/recommend_assignees", json=step)
    assert held(response)["ann"] == 7
    assert response.json()["is_what_if"]


def test_who_would_hold_too_many_is_left_out(asked: World) -> None:
    assert held(ask(asked, max_held_task_count=2)).keys() == {"bob", "cem", "dee", "eva"}
    overrides = {"ann": {HELD: 1}, "eva": {HELD: 2}}
    other = ask(asked, overrides, max_held_task_count=2)
    assert held(other).keys() == {"ann", "bob", "cem", "dee"}
    everyone = {name: {HELD: 2} for name in ("ann", "bob", "cem", "dee", "eva")}
    nobody = ask(asked, everyone, max_held_task_count=2)
    assert (nobody.status_code, nobody.json()["title"]) == (422, "Nobody may do it")


def test_how_long_each_would_take_stays_as_it_is_known(
    asked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_: Any, questions: Any, as_of: Any) -> FeatureRead:
        rows = [feature_row("w159", **{LOAD: 3}) | {"as_of": as_of} for _ in questions]
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        own = {
            TASK_ACTIVITY: ["check" for _ in questions],
            TASK_PERSON: [question.person_id for question in questions],
        }
        whole = completed(ServiceRows(columns, TYPES), as_of)
        return FeatureRead(whole.with_columns(own, dict.fromkeys(own, pa.string())))

    monkeypatch.setattr(type(asked.app.state.runtime.task_features), "read", read)
    asked.registry.predictors[Model.TASK_DURATION] = durations_of(Span.SOJOURN)  # type: ignore[assignment]
    asked.registry.versions[Model.TASK_DURATION] = "1"
    asked.watch.look()

    overrides = {name: {HELD: 9} for name in ("ann", "bob")}
    own, other = (
        {one["person_id"]: one for one in ask(asked, given).json()["candidates"]}
        for given in (None, overrides)
    )
    for name in ("ann", "bob"):
        assert other[name]["sojourn_time"] == own[name]["sojourn_time"]
        assert other[name]["on_time_probability"] == own[name]["on_time_probability"]
        assert other[name][HELD] == 9
    assert own["bob"]["sojourn_time"]["median_s"] > own["ann"]["sojourn_time"]["median_s"]


def test_a_newcomer_who_is_named_may_be_another_too(asked: World) -> None:
    response = ask(asked, {"zoe": {HELD: 3}}, person_ids=["ann", "zoe"])
    assert held(response) == {"ann": 2, "zoe": 3}


def test_it_is_logged_apart(asked: World) -> None:
    ask(asked)
    answer = ask(asked, {"ann": {HELD: 0, SINCE: None}}).json()

    real, other = asked.log.rows
    assert (real.variant, real.propensity) == ("champion", 1.0)
    assert (other.variant, other.propensity, other.task_id) == ("what_if", None, "T-1")
    assert "overrides" not in real.inputs
    assert other.inputs == {**real.inputs, "overrides": {"ann": {HELD: 0, SINCE: None}}}
    assert real.output.keys() == other.output.keys()
    assert str(other.prediction_id) == answer["prediction_id"]


@pytest.mark.parametrize("shadowed", [{Model.ASSIGNEE}])
def test_nobody_computes_it_in_the_shadow(asked: World) -> None:
    asked.registry.challengers[Model.ASSIGNEE] = "2"
    asked.watch.look()
    ask(asked, {"ann": {HELD: 0}})
    ask(asked)
    asked.shadows.stop(30)
    assert [row.variant for row in asked.log.rows] == ["what_if", "champion", "shadow"]


@TWO_VERSIONS
def test_a_challenger_that_fails_leaves_it_to_the_champion(
    asked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.registry.challengers[Model.ASSIGNEE] = "2"
    asked.watch.look()
    first = ask(asked, {"ann": {HELD: 0}}).json()
    recommend = assignees._recommended

    def recommended(runtime: Any, each: Any, *rest: Any) -> Any:
        if each[0].choice.loaded.version == "2":
            raise ZeroDivisionError
        return recommend(runtime, each, *rest)

    monkeypatch.setattr(assignees, "_recommended", recommended)
    second = ask(asked, {"ann": {HELD: 0}}).json()

    assert [one["model"]["version"] for one in (first, second)] == ["2", "1"]
    assert first["candidates"] == second["candidates"]
    kept = [(row.variant, row.propensity, row.model_version) for row in asked.log.rows]
    assert kept == [("what_if", None, "2"), ("what_if", None, "1")]


@TWO_VERSIONS
@pytest.mark.parametrize(
    ("overrides", "field", "words"),
    [
        ({"ann": {"held_task": 0}}, "ann.held_task", f"the 73 it has are {HELD}"),
        ({"ann": {"person_id": 0}}, "ann.person_id", "assignee has no such feature"),
        ({"anne": {HELD: 0}}, "anne", "is none of the 3 candidates, such as ann"),
        ({"dee": {HELD: 0}}, "dee", "is none of the 3 candidates"),  # not among person_ids
        ({"cem": {HELD: 0}}, "cem", "is none of the 3 candidates"),  # excluded
        ({"ann": {HELD: None}}, f"ann.{HELD}", "a whole number, 0 or more"),
        ({"ann": {HELD: 1.5}}, f"ann.{HELD}", "a whole number, 0 or more"),
        ({"ann": {HELD: -1}}, f"ann.{HELD}", "a whole number, 0 or more"),
        ({"ann": {SINCE: -1}}, f"ann.{SINCE}", "0 or more"),
        ({"ann": {"hour_ratio": 2}}, "ann.hour_ratio", "from 0 to 1"),
        ({"ann": {HELD: "0"}}, f"ann.{HELD}", "a number or null"),
        ({"ann": {HELD: True}}, f"ann.{HELD}", "a number or null"),
        ({"ann": {HELD: []}}, f"ann.{HELD}", "a number or null"),
        ({"ann": {SINCE: float("nan")}}, f"ann.{SINCE}", "a finite number"),
        ({"ann": {SINCE: float("inf")}}, f"ann.{SINCE}", "a finite number"),
        ({"ann": {SINCE: -float("inf")}}, f"ann.{SINCE}", "a finite number"),
        ({"ann": {HELD: 10**400}}, f"ann.{HELD}", "a finite number"),
        ({"ann": {}}, "ann", "at least 1 item"),
        ({"ann": {f"a{i}": 0 for i in range(51)}}, "ann", "at most 50 items"),
        ({"ann": 0}, "ann", "valid dictionary"),
        ({}, "", "at least 1 item"),
        ({f"p{i}": {HELD: 0} for i in range(501)}, "", "at most 500 items"),
    ],
)
def test_what_cannot_be_is_named(asked: World, overrides: Any, field: str, words: str) -> None:
    asked.registry.challengers[Model.ASSIGNEE] = "2"
    asked.watch.look()
    people = {"person_ids": ["ann", "bob", "cem", "zoe"], "excluded_person_ids": ["cem"]}
    response = ask(asked, overrides, **people)

    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["field"] == f"overrides.{field}".rstrip(".")
    assert words in error["message"]
    assert error["field"] in response.json()["detail"]
    assert asked.log.rows == []


def test_as_many_faults_are_named_as_are_read(asked: World) -> None:
    overrides = {"ann": {"x": 1, HELD: 0, SINCE: -1}, "eve": {HELD: 0}, "bob": {"y": 0}}
    errors = ask(asked, overrides).json()["errors"]
    fields = ["ann.x", f"ann.{SINCE}", "eve", "bob.y"]
    assert [error["field"] for error in errors] == [f"overrides.{field}" for field in fields]
    strangers = {f"p{i}": {HELD: 0} for i in range(500)}
    assert len(ask(asked, strangers).json()["errors"]) == 10


def test_without_candidates_nobody_can_be_another(asked: World) -> None:
    response = ask(asked, {"ann": {HELD: 0}}, person_ids=["ann"], excluded_person_ids=["ann"])
    (error,) = response.json()["errors"]
    assert error["message"] == "is none of the 0 candidates"


def test_it_is_neither_looked_for_nor_kept(asked: World) -> None:
    object.__setattr__(asked.app.state.runtime, "cache", UntouchedCache())
    assert ask(asked, {"ann": {HELD: 0}}).status_code == 200
    assert ask(asked).status_code == 500  # which does look


@pytest.mark.integration
def test_no_kept_answer_is_taken_for_another(asked: World, valkey_url: str) -> None:
    redis.Redis.from_url(valkey_url).flushall()
    put_new_stamp(Valkey(valkey_url))
    cache = AnswerCache(valkey_url, 1_000, is_first_kept=True)
    object.__setattr__(asked.app.state.runtime, "cache", cache)

    def ann(overrides: Any = None) -> tuple[int, bool]:
        response = ask(asked, overrides)
        cache.flush()
        return held(response)["ann"], response.json()["is_what_if"]

    some, others = {"ann": {HELD: 0}}, {"ann": {HELD: 5}}
    told = [ann(one) for one in (some, None, some, others, None, some)]
    assert told == [(0, True), (2, False), (0, True), (5, True), (2, False), (0, True)]
    is_again = [row.cached_from is not None for row in asked.log.rows]
    assert is_again == [False, False, False, False, True, False]
