"""Questions about people that wait at the same moment: each is answered as if it were alone."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from pipelines.contracts import Model
from pipelines.learning.assignee.state import AssigneeState
from pipelines.learning.task_duration.spans import Span
from serving import assignees as module
from serving.assignees import AboutPeople, assignees
from serving.features import FeatureRead
from serving.problems import FeaturesAwayError, ProblemError
from serving.runtime import Runtime
from serving.task_schemas import AssigneeOfStep, AssigneeOfTask, Recommendation
from serving.tasks import SourceHistory, Task
from serving.together import Outcome
from serving.traffic import place
from tests.learning.assignee.company_ranker import NOW, company_ranker, company_state
from tests.serving.conftest import World
from tests.serving.made_rows import feature_row
from tests.serving.task_rows import task_rows_of
from tests.serving.test_task_what_if import DUE_AT, LOAD, durations_of

MODEL = Model.ASSIGNEE
DAY = timedelta(days=1)
TASKS = {
    "own due date": Task("own due date", "w159", "pay", None, "desk", NOW - DAY, *[None] * 3, NOW),
    "of its workflow": Task("of its workflow", "w158", "check", None, None, NOW - DAY, *[None] * 4),
    "ended": Task("ended", "w157", "pay", None, None, NOW - DAY, None, NOW - DAY / 2, None, None),
}
QUESTIONS: list[AssigneeOfTask | AssigneeOfStep] = [
    AssigneeOfTask(task_id="own due date"),
    AssigneeOfTask(task_id="nobody knows it"),
    AssigneeOfTask(task_id="of its workflow", count=1),
    AssigneeOfTask(task_id="own due date", person_ids=["ann"], max_held_task_count=1),  # she has 2
    AssigneeOfTask(task_id="ended"),
    AssigneeOfStep(workflow_id="w156", activity="pay", person_ids=["ann", "zoe"]),
    AssigneeOfStep(workflow_id="w156", activity="fly"),
    AssigneeOfTask(task_id="own due date"),
]
FAULTS = {1: "UnknownTaskError", 3: "NoCandidateError", 4: "EndedTaskError",
          6: "UnknownActivityError"}  # fmt: skip


@pytest.fixture(scope="module")
def state() -> AssigneeState:
    return company_state()


@pytest.fixture
def reads() -> list[int]:
    """How many features of tasks were read, each time."""
    return []


@pytest.fixture
def runtime(
    world: World, state: AssigneeState, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> Runtime:
    def read(_: Any, questions: Any, as_of: Any) -> FeatureRead:
        reads.append(len(questions))
        due_at = {"w158": NOW + 3 * DAY, "w159": NOW + DAY}
        rows = [
            feature_row(of.workflow_id, **{LOAD: 3, DUE_AT: due_at.get(of.workflow_id)})
            | {"as_of": as_of}
            for of in questions
        ]
        return task_rows_of(rows, questions, as_of)

    runtime: Runtime = world.app.state.runtime
    world.clock.as_of = NOW
    monkeypatch.setattr(type(runtime.staff), "state", lambda _: (state, NOW))
    monkeypatch.setattr(SourceHistory, "tasks", lambda *_: TASKS)
    monkeypatch.setattr(type(runtime.task_features), "read", read)
    world.registry.predictors = {
        **world.registry.predictors,
        MODEL: company_ranker(),  # type: ignore[dict-item]
        Model.TASK_DURATION: durations_of(Span.SOJOURN),  # type: ignore[dict-item]
    }
    world.registry.versions |= {MODEL: "1", Model.TASK_DURATION: "1"}
    world.watch.look()
    return runtime


def said(answers: Sequence[Outcome]) -> list[Any]:
    return [
        str(type(one).__name__)
        if isinstance(one, ProblemError)
        else Recommendation.model_validate_json(one).model_copy(update={"prediction_id": None})
        for one in answers
    ]


def test_each_is_answered_as_alone(runtime: Runtime, reads: list[int]) -> None:
    together = said(assignees(runtime, [AboutPeople(question) for question in QUESTIONS]))
    assert reads == [5 + 1 + 2 + 5]
    alone = [said(assignees(runtime, [AboutPeople(question)]))[0] for question in QUESTIONS]
    assert together == alone
    assert {i: one for i, one in enumerate(together) if isinstance(one, str)} == FAULTS
    assert [together[i].due_at for i in (0, 2, 5, 7)] == [NOW, NOW + 3 * DAY, None, NOW]
    chances = [one.on_time_probability for i in (0, 2) for one in together[i].candidates[:1]]
    assert chances[0] < 0.05 < chances[1]  # nothing of the time is left, or three days
    assert {one.person_id for one in together[5].candidates} == {"ann", "zoe"}


def test_each_is_logged_as_it_was_asked(runtime: Runtime, world: World) -> None:
    asked = [AboutPeople(question) for question in QUESTIONS]
    answers = assignees(runtime, asked)
    sound = [i for i in range(len(QUESTIONS)) if i not in FAULTS]
    ids = [Recommendation.model_validate_json(answers[i]).prediction_id for i in sound]  # type: ignore[arg-type]
    rows = world.log.rows
    assert [row.prediction_id for row in rows] == ids
    assert [row.requested_at for row in rows] == [asked[i].started.at for i in sound]
    assert [row.inputs.get("task_id") for row in rows] == [
        getattr(QUESTIONS[i], "task_id", None) for i in sound
    ]
    assert [row.task_id for row in rows] == [getattr(QUESTIONS[i], "task_id", None) for i in sound]
    assert len({row.latency_ms for row in rows}) == len(rows)


def test_features_that_are_away_degrade_each(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise FeaturesAwayError("no store")

    monkeypatch.setattr(type(runtime.task_features), "read", away)
    first, _, other, *_ = said(assignees(runtime, list(map(AboutPeople, QUESTIONS))))
    for one in (first, other):
        assert one.degraded_because == ["without durations: no store"]
        assert {candidate.sojourn_time for candidate in one.candidates} == {None}
    assert first.due_at == NOW


@pytest.mark.parametrize("challenger_ratio", [{MODEL: 0.5}])
def test_a_challenger_that_fails_in_the_middle_has_answered_nothing(
    runtime: Runtime, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.registry.challengers[MODEL] = "2"
    world.watch.look()
    drawn = [place(MODEL, one.workflow_id) < 0.5 for one in (TASKS["own due date"],)]
    answer, calls = module._answer, []

    def fails(*asked: Any) -> Any:
        calls.append(asked)
        if len(calls) == 2:
            raise ZeroDivisionError
        return answer(*asked)

    monkeypatch.setattr(module, "_answer", fails)
    question = AssigneeOfTask(task_id="own due date" if drawn[0] else "of its workflow")
    answers = said(assignees(runtime, [AboutPeople(question)] * 2))
    assert [one.model.version for one in answers] == ["1", "1"]
    assert [(row.variant, row.propensity) for row in world.log.rows] == [("champion", None)] * 2
