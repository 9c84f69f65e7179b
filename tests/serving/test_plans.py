"""Plans that are asked for at the same moment: each is made as if it were alone."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from zlib import crc32

import pytest

from pipelines.contracts import Model
from pipelines.learning.task_duration.spans import Span
from pipelines.store.task_rows import TaskQuestion
from serving import allocation as module
from serving import plan_durations
from serving.allocation import AboutPlan, plan, plans
from serving.allocation_schemas import Allocation, AllocationQuestion
from serving.features import FeatureRead
from serving.lanes import Lane
from serving.people import Person
from serving.problems import FeaturesAwayError, NoChampionError, ProblemError
from serving.runtime import Runtime
from serving.tasks import SourceHistory, Task
from serving.together import Outcome
from tests.serving.conftest import World
from tests.serving.made_rows import AS_OF, feature_row
from tests.serving.task_rows import task_rows_of
from tests.serving.test_task_what_if import DUE_AT, LOAD, durations_of

DAY = timedelta(days=1)
SOON = AS_OF + timedelta(minutes=90)
TASKS = {
    "T-1": Task("T-1", "WF-1", "check", None, "desk", AS_OF - DAY, *[None] * 3, SOON),
    "T-2": Task("T-2", "WF-2", "check", None, "field", AS_OF - DAY, *[None] * 4),
    "T-3": Task("T-3", "WF-1", "pay", None, None, AS_OF - DAY, *[None] * 4),
    "ended": Task(
        "ended", "WF-1", "pay", None, None, AS_OF - DAY, None, AS_OF - DAY / 2, *[None] * 2
    ),
}
SKILLS = {**dict.fromkeys(TASKS, frozenset[str]()), "T-2": frozenset({"law"})}
ALWAYS = {str(day): [["00:00", "23:59"]] for day in range(1, 8)}
PEOPLE = {
    "ann": Person("ann", "desk", None, ALWAYS, {"law"}),
    "bob": Person("bob", "field", None, ALWAYS),
    "cem": Person("cem", None, None, ALWAYS, {"law", "sums"}),
}
KNOWN_AT = {"WF-1": AS_OF - timedelta(hours=3), "WF-2": AS_OF - timedelta(hours=1)}
DUE = {"WF-1": AS_OF + 9 * DAY, "WF-2": AS_OF + timedelta(hours=1)}


def asked(tasks: str, people: str, **options: Any) -> AllocationQuestion:
    return AllocationQuestion(
        tasks=[{"task_id": one} for one in tasks.split()],  # type: ignore[list-item]
        people=[{"person_id": one} for one in people.split()],  # type: ignore[list-item]
        **options,
    )


# The schema lets none such in; what the policy refuses is the asker's problem all the same.
REFUSED = asked("T-1 T-3", "ann")
REFUSED.tasks[0] = REFUSED.tasks[0].model_copy(update={"priority": -1.0})
QUESTIONS = [
    asked("T-1 T-2 T-3", "ann bob"),
    asked("nobody_knows_it", "ann"),
    asked("T-2", "cem bob ann", alternative_count=0),
    asked("T-1", "ann nobody"),
    asked("ended T-3 nobody_knows_it", "bob"),
    REFUSED,
    asked("T-1 T-2", "bob cem", keep_teams=True, horizon_days=2),
    asked("T-1 T-2 T-3", "ann bob"),
]
FAULTS = {1: "UnknownTaskError", 3: "UnknownPersonError", 5: "InvalidRequestError"}
SOUND = [i for i in range(len(QUESTIONS)) if i not in FAULTS]


def load_of(question: TaskQuestion) -> int:
    return crc32("".join(map(str, question)).encode()) % 9


@pytest.fixture
def reads() -> list[int]:
    """How many rows were read, each time."""
    return []


@pytest.fixture
def runtime(world: World, reads: list[int], monkeypatch: pytest.MonkeyPatch) -> Runtime:
    def read(_: Any, questions: Any, as_of: Any) -> FeatureRead:
        reads.append(len(questions))
        rows = [
            feature_row(of.workflow_id, **{LOAD: load_of(of), DUE_AT: DUE[of.workflow_id]})
            | {"as_of": as_of, "features_known_at": KNOWN_AT[of.workflow_id]}
            for of in questions
        ]
        return task_rows_of(rows, questions, as_of)

    runtime: Runtime = world.app.state.runtime
    monkeypatch.setattr(SourceHistory, "with_skills", lambda *_: (TASKS, SKILLS))
    monkeypatch.setattr(SourceHistory, "people", lambda *_: PEOPLE)
    monkeypatch.setattr(type(runtime.task_features), "read", read)
    world.registry.predictors = {
        **world.registry.predictors,
        Model.TASK_DURATION: durations_of(Span.SERVICE),  # type: ignore[dict-item]
    }
    world.registry.versions[Model.TASK_DURATION] = "1"
    world.watch.look()
    return runtime


def said(answers: Sequence[Outcome]) -> list[Any]:
    return [
        type(one).__name__
        if isinstance(one, ProblemError)
        else Allocation.model_validate_json(one).model_copy(update={"prediction_id": None})
        for one in answers
    ]


def test_each_is_made_as_alone(runtime: Runtime, reads: list[int]) -> None:
    together = said(plans(runtime, list(map(AboutPlan, QUESTIONS))))
    assert reads == [6 + 3 + 1 + 2 + 4 + 6]
    alone = [said(plans(runtime, [AboutPlan(one)]))[0] for one in QUESTIONS]
    assert {i: one for i, one in enumerate(together) if i in FAULTS} == FAULTS
    assert together == alone
    assert [one.features_known_at for one in (together[i] for i in SOUND)] == [
        KNOWN_AT["WF-2"], KNOWN_AT["WF-2"], KNOWN_AT["WF-1"], KNOWN_AT["WF-2"], KNOWN_AT["WF-2"],
    ]  # fmt: skip


def test_each_has_its_own_tasks_people_and_limits(runtime: Runtime) -> None:
    together = said(plans(runtime, list(map(AboutPlan, QUESTIONS))))
    who = [{one.task_id: one.person_id for one in together[i].assignments} for i in SOUND]
    assert who[0]["T-2"] == "ann"  # Bob has not the skill
    assert who[1].keys() == {"T-2"}
    assert who[1]["T-2"] in {"ann", "cem"}
    assert who[2] == {"T-3": "bob"}
    assert who[3] == {}  # nobody of the desk; and of the field Bob, who has not the skill
    assert [one.problem.title for one in together[4].problems] == ["Ended task", "Unknown task"]
    due = {one.task_id: one.slack_s for one in together[0].assignments}
    ends = {one.task_id: one.planned_end_at for one in together[0].assignments}
    for task_id, at in (("T-1", SOON), ("T-2", DUE["WF-2"]), ("T-3", DUE["WF-1"])):
        assert due[task_id] == pytest.approx((at - ends[task_id]).total_seconds())


def test_each_is_logged_as_it_was_asked(runtime: Runtime, world: World) -> None:
    about = list(map(AboutPlan, QUESTIONS))
    answers = plans(runtime, about)
    ids = [Allocation.model_validate_json(answers[i]).prediction_id for i in SOUND]  # type: ignore[arg-type]
    rows = world.log.rows
    assert [row.prediction_id for row in rows] == ids
    assert [row.requested_at for row in rows] == [about[i].started.at for i in SOUND]
    assert [row.inputs for row in rows] == [QUESTIONS[i].model_dump(mode="json") for i in SOUND]
    assert all(row.output.keys() == {"assignments", "unmet", "totals", "problems"} for row in rows)


def test_one_that_breaks_leaves_nothing_in_the_log(
    runtime: Runtime, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, calls = module.plan_allocation, []

    def breaks(*of: Any, **options: Any) -> Any:
        calls.append(of)
        if len(calls) == 2:
            raise ZeroDivisionError
        return make(*of, **options)

    monkeypatch.setattr(module, "plan_allocation", breaks)
    with pytest.raises(ZeroDivisionError):
        plans(runtime, [AboutPlan(QUESTIONS[0])] * 2)
    assert world.log.rows == []


def test_what_is_away_is_everybodys_problem(
    runtime: Runtime, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise FeaturesAwayError("no store")

    monkeypatch.setattr(type(runtime.task_features), "read", away)
    with pytest.raises(FeaturesAwayError):
        plans(runtime, list(map(AboutPlan, QUESTIONS)))
    world.registry.versions.pop(Model.TASK_DURATION)
    world.watch.look()
    with pytest.raises(NoChampionError):
        plan(runtime, AboutPlan(QUESTIONS[0]))


def test_of_many_rows_some_tell_how_sure_the_model_is(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    (whole,) = said([plan(runtime, AboutPlan(QUESTIONS[0]))])
    monkeypatch.setattr(plan_durations, "_SPREAD_ROWS", 3)
    (some,) = said([plan(runtime, AboutPlan(QUESTIONS[0]))])
    assert [one.expected_service_s for one in some.assignments] == [
        one.expected_service_s for one in whole.assignments
    ]
    assert some.assignments != whole.assignments  # another spread, another lateness


def test_how_sure_the_model_is_each_plans_own_rows_tell(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[list[float]] = []

    def noted(answers: Mapping[str, Any], span: Span) -> float:
        told.append(answers[span.value].tolist())
        return 0.1

    monkeypatch.setattr(plan_durations, "spread_ratio", noted)
    plans(runtime, list(map(AboutPlan, QUESTIONS)))
    together = told[:]
    told.clear()
    for question in QUESTIONS:
        plans(runtime, [AboutPlan(question)])
    assert [len(one) for one in together] == [6, 3, 1, 2, 4, 6]
    assert together == told


@pytest.mark.parametrize(("people", "is_together"), [(16, True), (17, False)])
def test_only_short_plans_wait_for_each_other(
    runtime: Runtime, world: World, monkeypatch: pytest.MonkeyPatch, people: int, is_together: bool
) -> None:
    ids = [f"p{number}" for number in range(people)]
    known = {one: Person(one, None, None, ALWAYS) for one in ids}
    monkeypatch.setattr(SourceHistory, "people", lambda *_: known)
    lanes, used = type(runtime.lanes), list[tuple[str, Lane]]()
    for name in ("run", "together"):
        use = getattr(lanes, name)

        def noted(self: Any, lane: Lane, *of: Any, name: str = name, use: Any = use) -> Any:
            used.append((name, lane))
            return use(self, lane, *of)

        monkeypatch.setattr(lanes, name, noted)
    question = asked("T-1 T-2 T-3", " ".join(ids))
    response = world.client.post("/recommend_allocation", json=question.model_dump(mode="json"))
    assert response.status_code == 200
    assert used == [("together", Lane.ADVICE) if is_together else ("run", Lane.LONG)]
