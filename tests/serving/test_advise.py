"""Versions of the models that give advice: shares, shadows, and challengers that fail."""

from collections.abc import Sequence
from typing import Any

import pytest

from pipelines.contracts import Model
from serving import task_durations
from serving.advice import Advice
from serving.advise import advise, advise_about_each, advise_what_if
from serving.asked import Started
from serving.problems import UnknownWorkflowError
from serving.runtime import Runtime
from serving.task_answers import AS_IT_IS, WhatIf
from serving.task_durations import AboutTask, task_if, tasks
from serving.task_schemas import OneTask, TaskDuration
from serving.tasks import SourceHistory, Task
from serving.traffic import place
from tests.serving.conftest import World

# Any model will do: what it says is the test's.
MODEL = Model.TASK_DURATION
IDS = [f"workflow {i}" for i in range(200)]
DRAWN = [one for one in IDS if place(MODEL, one) < 0.25]
NOT_DRAWN = [one for one in IDS if one not in DRAWN]


@pytest.fixture
def runtime(world: World) -> Runtime:
    """A worker with a champion, 1, and a challenger, 2."""
    some = next(iter(world.registry.predictors.values()))
    world.registry.predictors = {**world.registry.predictors, MODEL: some}
    world.registry.versions[MODEL] = "1"
    world.registry.challengers[MODEL] = "2"
    world.watch.look()
    runtime: Runtime = world.app.state.runtime
    return runtime


def task_duration(advice: Advice, task: Task, person_id: str | None) -> TaskDuration:
    return TaskDuration(
        **advice.said(task.workflow_id, advice.as_of),
        task_id=task.task_id,
        activity=task.activity,
        person_id=person_id or task.person_id,
        is_what_if=False,
        waiting_time=None,
        service_time=None,
        sojourn_time=None,
        expected_completed_at=None,
    )


def version_of(advice: Advice) -> str:
    return advice.choice.loaded.version


@pytest.mark.parametrize("challenger_ratio", [{MODEL: 0.25}])
def test_each_workflow_has_its_version_in_the_order_asked(runtime: Runtime) -> None:
    starts = [Started() for _ in IDS]

    def say(each: Sequence[Advice], positions: Sequence[int]) -> list[tuple[str, str]]:
        assert [of.started for of in each] == [starts[position] for position in positions]
        assert len({of.prediction_id for of in each}) == len(positions)
        pairs = zip(each, positions, strict=True)
        return [(IDS[position], version_of(of)) for of, position in pairs]

    said = advise_about_each(runtime, MODEL, IDS, say, starts)

    assert 30 < len(DRAWN) < 75
    assert said == [(one, "2" if one in DRAWN else "1") for one in IDS]


@pytest.mark.parametrize("challenger_ratio", [{MODEL: 1.0}])
def test_a_challenger_that_fails_leaves_the_word_to_the_champion(runtime: Runtime) -> None:
    def say(advice: Advice) -> tuple[str, float | None]:
        if version_of(advice) == "2":
            raise ZeroDivisionError
        return version_of(advice), advice.choice.propensity

    assert advise(runtime, MODEL, IDS[0], say, Started()) == ("1", None)


@pytest.mark.parametrize("challenger_ratio", [{MODEL: 1.0}])
def test_what_cannot_be_answered_is_no_failure_of_the_challenger(runtime: Runtime) -> None:
    asked: list[str] = []

    def say(advice: Advice) -> None:
        asked.append(version_of(advice))
        raise UnknownWorkflowError("no such workflow", workflow_id=IDS[0])

    with pytest.raises(UnknownWorkflowError):
        advise(runtime, MODEL, IDS[0], say, Started())
    assert asked == ["2"]


@pytest.mark.parametrize("shadowed", [{MODEL}])
def test_a_shadow_says_the_same_behind_the_answer(runtime: Runtime) -> None:
    said: list[Advice] = []

    def say(advice: Advice) -> str:
        said.append(advice)
        advice.degraded_because.append("it is the test's")
        return version_of(advice)

    started = Started()
    assert advise(runtime, MODEL, IDS[0], say, started) == "1"
    runtime.shadows.stop(30)

    shown, shadow = said
    assert (shown.choice.variant, shown.choice.propensity) == ("champion", 1.0)
    assert (shadow.choice.variant, shadow.choice.propensity) == ("shadow", 0.0)
    assert version_of(shadow) == "2"
    assert shadow.prediction_id != shown.prediction_id
    assert shadow.started.clock_s > started.clock_s
    assert shadow.degraded_because == ["it is the test's"]  # not the other's too


@pytest.fixture
def answered(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The ids of tasks asked about together, and the version: of two tasks, each in a workflow."""
    found = {
        task_id: Task(task_id, of, "check", "ann", None, *[None] * 5)
        for task_id, of in (("drawn", DRAWN[0]), ("other", NOT_DRAWN[0]))
    }
    answered: list[tuple[Any, ...]] = []

    def said(each: Sequence[Advice], tasks: Sequence[Task], what_if: WhatIf = AS_IT_IS) -> Any:
        ids = [task.task_id for task in tasks]
        answered.append((*ids, version_of(each[0]), each[0].choice.variant))
        pairs = zip(each, tasks, strict=True)
        return [task_duration(of, task, what_if.person_id) for of, task in pairs]

    monkeypatch.setattr(SourceHistory, "tasks", lambda *_: found)
    monkeypatch.setattr(task_durations, "say", said)
    return answered


@pytest.mark.parametrize("challenger_ratio", [{MODEL: 0.25}])
def test_tasks_are_drawn_by_their_workflows(
    runtime: Runtime, answered: list[tuple[Any, ...]]
) -> None:
    tasks(runtime, [AboutTask(OneTask(task_id=of)) for of in ("drawn", "other")])
    assert answered == [("other", "1", "champion"), ("drawn", "2", "challenger")]


@pytest.mark.parametrize("shadowed", [{MODEL}])
def test_what_another_person_would_take_is_not_asked_of_a_shadow(
    runtime: Runtime, answered: list[tuple[Any, ...]]
) -> None:
    task_if(runtime, AboutTask(OneTask(task_id="drawn", person_id="bob")))
    task_if(runtime, AboutTask(OneTask(task_id="drawn", person_id="ann")))
    runtime.shadows.stop(30)
    shadows = [one for one in answered if one[-1] == "shadow"]
    assert shadows == [("drawn", "2", "shadow")]


@pytest.mark.parametrize("shadowed", [{MODEL}])
@pytest.mark.parametrize("challenger_ratio", [{}, {MODEL: 1.0}])
def test_what_if_is_part_of_nobodys_share(
    runtime: Runtime, challenger_ratio: dict[Model, float]
) -> None:
    said: list[tuple[Any, ...]] = []

    def say(advice: Advice) -> str:
        said.append((version_of(advice), advice.choice.variant, advice.choice.propensity))
        return version_of(advice)

    version = "2" if challenger_ratio else "1"
    assert advise_what_if(runtime, MODEL, IDS[0], say, Started()) == version
    runtime.shadows.stop(30)
    assert said == [(version, "what_if", None)]


@pytest.mark.parametrize("challenger_ratio", [{MODEL: 1.0}])
@pytest.mark.parametrize(
    ("error", "asked"), [(ZeroDivisionError(), ["2", "1"]), (UnknownWorkflowError("no"), ["2"])]
)
def test_what_if_falls_to_the_champion_where_the_challenger_fails(
    runtime: Runtime, error: Exception, asked: list[str]
) -> None:
    versions: list[str] = []

    def say(advice: Advice) -> tuple[Any, ...]:
        versions.append(version_of(advice))
        if version_of(advice) == "2":
            raise error
        return advice.choice.variant, advice.choice.propensity

    if len(asked) > 1:
        assert advise_what_if(runtime, MODEL, IDS[0], say, Started()) == ("what_if", None)
    else:
        with pytest.raises(UnknownWorkflowError):
            advise_what_if(runtime, MODEL, IDS[0], say, Started())
    assert versions == asked


@pytest.mark.parametrize("challenger_ratio", [{}])
def test_where_the_champion_fails_nobody_answers(runtime: Runtime) -> None:
    def say(_: Advice) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        advise_what_if(runtime, MODEL, IDS[0], say, Started())
