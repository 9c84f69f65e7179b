"""Advice that is kept and given again, with a real Valkey; what it says is the tests'."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis

from pipelines.contracts import Model
from pipelines.store.stamp import put_new_stamp
from pipelines.store.valkey import Valkey
from serving import task_durations
from serving.advice import Advice
from serving.advise import advise
from serving.again import Asking, again_or_anew
from serving.asked import Started, output_of
from serving.cache import AnswerCache, Subject
from serving.runtime import Runtime
from serving.task_durations import AboutTask, task_if
from serving.task_schemas import AssigneeOfTask, OneTask, TaskDuration
from serving.tasks import SourceHistory, Task
from serving.together import only
from tests.serving.conftest import World
from tests.serving.made_rows import AS_OF
from tests.serving.test_advise import task_duration

pytestmark = pytest.mark.integration

MODEL = Model.TASK_DURATION
TASK = Task("T-1", "WF-1", "check", "ann", None, AS_OF - timedelta(days=1), *[None] * 4)
QUESTION = AssigneeOfTask(task_id="T-1")


@pytest.fixture
def cache(valkey_url: str) -> AnswerCache:
    redis.Redis.from_url(valkey_url).flushall()
    put_new_stamp(Valkey(valkey_url))
    return AnswerCache(valkey_url, 1_000, is_first_kept=True)


@pytest.fixture
def runtime(world: World) -> Runtime:
    some = next(iter(world.registry.predictors.values()))
    world.registry.predictors = {**world.registry.predictors, MODEL: some}
    world.registry.versions[MODEL] = "1"
    world.watch.look()
    runtime: Runtime = world.app.state.runtime
    return runtime


class Speaker:
    """Says something about a task, logs it, and counts how often."""

    def __init__(self) -> None:
        self.count = 0
        self.is_degraded = False

    def __call__(self, advice: Advice) -> TaskDuration:
        self.count += 1
        if self.is_degraded:
            advice.degraded_because.append("it is the test's")
        answer = task_duration(advice, TASK, None)
        advice.log(
            advice.said(TASK.workflow_id, advice.as_of),
            inputs={"task_id": "T-1"},
            features={},
            output=output_of(answer),
            task_id="T-1",
        )
        return answer


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


def advise_again(runtime: Runtime, asking: Asking, say: Callable[[Advice], TaskDuration]) -> bytes:
    def anew(*_: Any) -> list[TaskDuration]:
        return [advise(runtime, MODEL, asking.subject.workflow_id, say, asking.started)]

    return only(again_or_anew(runtime, MODEL, [asking], anew))


def ask(
    runtime: Runtime, speaker: Speaker, question: AssigneeOfTask = QUESTION, *rests_on: Any
) -> Any:
    subject = Subject.of(TASK.workflow_id, question, *rests_on)
    asking = Asking(subject, Started(), {"task_id": "T-1"}, "T-1")
    body = advise_again(runtime, asking, speaker)
    runtime.cache.flush()
    return json.loads(body)


def test_advice_is_given_again_under_an_id_of_its_own(
    runtime: Runtime, speaker: Speaker, world: World
) -> None:
    first, second = ask(runtime, speaker), ask(runtime, speaker)

    assert speaker.count == 1
    assert first.pop("prediction_id") != second.pop("prediction_id")
    assert first == second
    kept, again = world.log.rows
    assert (again.cached_from, kept.cached_from) == (kept.prediction_id, None)
    same = ("model_name", "model_version", "workflow_id", "task_id", "as_of", "inputs", "variant",
            "features_known_at", "output", "propensity", "is_degraded")  # fmt: skip
    assert [getattr(again, name) for name in same] == [getattr(kept, name) for name in same]


def test_another_question_or_another_state_of_things_asks_anew(
    runtime: Runtime, speaker: Speaker
) -> None:
    asked = [
        (QUESTION, "a"),
        (QUESTION, "b"),
        (QUESTION, replace(TASK, person_id="bob")),
        (AssigneeOfTask(task_id="T-1", count=3), "a"),
        (AssigneeOfTask(task_id="T-1", excluded_person_ids=("ann",)), "a"),
        (AssigneeOfTask(task_id="T-1", load_strength=0.5), "a"),
    ]
    for one in asked:
        ask(runtime, speaker, *one)
    assert speaker.count == len(asked)
    for one in asked[-4:]:
        ask(runtime, speaker, *one)
    assert speaker.count == len(asked)


def test_of_one_question_the_newest_answer_alone_is_kept(
    runtime: Runtime, speaker: Speaker
) -> None:
    for state in ("a", "b", "a"):
        ask(runtime, speaker, QUESTION, state)
    assert speaker.count == 3


def test_new_features_a_new_version_and_a_moved_clock_ask_anew(
    runtime: Runtime, speaker: Speaker, world: World, valkey_url: str
) -> None:
    ask(runtime, speaker)
    put_new_stamp(Valkey(valkey_url))
    ask(runtime, speaker)
    assert speaker.count == 2
    world.clock.as_of = AS_OF + timedelta(hours=1)
    assert ask(runtime, speaker)["as_of"] == "2016-04-01T13:00:00Z"
    assert speaker.count == 3
    world.registry.versions[MODEL] = "2"
    world.watch.look()
    assert ask(runtime, speaker)["model"]["version"] == "2"
    assert speaker.count == 4
    ask(runtime, speaker)
    assert speaker.count == 4


def test_degraded_advice_is_not_kept(runtime: Runtime, speaker: Speaker) -> None:
    speaker.is_degraded = True
    assert ask(runtime, speaker)["is_degraded"]
    speaker.is_degraded = False
    assert not ask(runtime, speaker)["is_degraded"]
    assert speaker.count == 2


def test_a_task_that_changed_in_the_source_is_asked_anew_and_what_if_always(
    runtime: Runtime, speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = {"T-1": TASK}
    monkeypatch.setattr(SourceHistory, "tasks", lambda *_: tasks)
    monkeypatch.setattr(task_durations, "say", lambda each, *_: list(map(speaker, each)))

    def ask_about(person_id: str | None = None) -> int:
        task_if(runtime, AboutTask(OneTask(task_id="T-1", person_id=person_id)))
        runtime.cache.flush()
        return speaker.count

    assert [ask_about(), ask_about()] == [1, 1]
    assert [ask_about("bob"), ask_about("bob")] == [2, 3]
    tasks["T-1"] = replace(TASK, person_id="bob")
    assert [ask_about(), ask_about()] == [4, 4]
    tasks["T-1"] = replace(TASK, started_at=AS_OF - timedelta(hours=1))
    assert [ask_about(), ask_about()] == [5, 5]


@pytest.mark.parametrize("challenger_ratio", [{MODEL: 1.0}])
def test_what_the_champion_says_for_a_challenger_is_not_kept_as_the_challengers(
    runtime: Runtime, speaker: Speaker, world: World
) -> None:
    world.registry.challengers[MODEL] = "2"
    world.watch.look()

    def say(advice: Advice) -> TaskDuration:
        if advice.choice.loaded.version == "2" and not speaker.count:
            raise ZeroDivisionError
        return speaker(advice)

    subject = Subject.of(TASK.workflow_id, QUESTION)
    for version in ("1", "2", "2"):
        body = advise_again(runtime, Asking(subject, Started(), {}), say)
        assert json.loads(body)["model"]["version"] == version
    assert speaker.count == 2
