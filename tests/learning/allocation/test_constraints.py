from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.bench.allocation_violations import violations
from pipelines.errors import AllocationError
from pipelines.learning.allocation import Estimates, Weights, plan_allocation
from tests.learning.allocation.instances import (
    AS_OF,
    Question,
    even,
    hours,
    person,
    question,
    task,
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 1 << 32),
    task_count=st.integers(1, 14),
    person_count=st.integers(1, 6),
    is_tight=st.booleans(),
    spread=st.sampled_from([0.0, 0.4]),
)
def test_every_plan_keeps_every_constraint(
    seed: int, task_count: int, person_count: int, is_tight: bool, spread: float
) -> None:
    tasks, people, estimates = asked = question(seed, task_count, person_count, is_tight=is_tight)
    plan = plan_allocation(tasks, people, replace(estimates, spread_ratio=spread), AS_OF)
    assert violations(plan, *asked) == []


def test_a_large_plan_keeps_every_constraint() -> None:
    asked = question(1, 160, 40, is_tight=False)
    plan = plan_allocation(*asked, AS_OF)
    assert violations(plan, *asked) == []
    assert plan.totals.planned_count > 100


def shuffled(asked: Question, seed: int) -> Question:
    tasks, people, estimates = asked
    draw = np.random.default_rng(seed)
    rows, columns = draw.permutation(len(tasks)), draw.permutation(len(people))
    return (
        [tasks[one] for one in rows],
        [people[one] for one in columns],
        Estimates(estimates.hours[rows][:, columns]),
    )


@pytest.mark.parametrize("is_tight", [False, True])
def test_the_same_question_in_any_order_has_the_same_answer(is_tight: bool) -> None:
    asked = question(5, 30, 8, is_tight=is_tight)
    plan = plan_allocation(*asked, AS_OF)
    assert plan == plan_allocation(*asked, AS_OF)
    assert plan == plan_allocation(*shuffled(asked, 3), AS_OF)


def test_ties_go_by_id() -> None:
    tasks, people = [task("b"), task("a")], [person("y"), person("x")]
    plan = plan_allocation(tasks, people, even(2, 2), AS_OF)
    assert [(one.task_id, one.person_id) for one in plan.assignments] == [("a", "x"), ("b", "y")]


def test_nothing_to_plan_is_an_empty_plan() -> None:
    assert plan_allocation([], [person("x")], even(0, 1), AS_OF).assignments == ()
    plan = plan_allocation([task("a")], [], even(1, 0), AS_OF)
    assert plan.unmet[0].explanation == "Not planned: there are no people in this plan."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": [task("a"), task("a")]}, "The task a is given twice"),
        ({"people": [person("x"), person("x")]}, "The person x is given twice"),
        ({"estimates": even(2, 2)}, r"shape \(2, 2\); 1 tasks and 1 people need \(1, 1\)"),
        ({"estimates": Estimates(np.array([[np.nan]]))}, "hours above 0"),
        ({"estimates": even(1, 1, 0.0)}, "hours above 0"),
        ({"tasks": [task("a", priority=0.0)]}, "Task a has priority 0"),
        ({"tasks": [task("a", due_at=AS_OF.replace(tzinfo=None))]}, "Task a: .* no time zone"),
        ({"people": [person("x", working=((AS_OF, AS_OF),))]}, "period of x ends"),
        ({"people": [person("x", max_tasks=-1)]}, "max_tasks of x is -1"),
        ({"weights": Weights(time=-1)}, "weight of time is -1"),
        ({"weights": Weights(patience_h=0)}, "patience is 0 hours"),
        ({"as_of": AS_OF.replace(tzinfo=None)}, "as_of: .* no time zone"),
    ],
)
def test_a_question_without_an_answer_is_refused(change: dict[str, object], message: str) -> None:
    asked = {"tasks": [task("a")], "people": [person("x")], "estimates": even(1, 1)}
    asked |= {"as_of": AS_OF, "weights": None} | change
    if len(asked["tasks"]) != asked["estimates"].hours.shape[0]:
        asked["estimates"] = even(len(asked["tasks"]), 1)
    if "people" in change:
        asked["estimates"] = even(1, len(asked["people"]))
    if "estimates" in change:
        asked["estimates"] = change["estimates"]
    with pytest.raises(AllocationError, match=message):
        plan_allocation(**asked)


def test_work_stops_at_the_end_of_a_shift_and_goes_on_in_the_next() -> None:
    one = person("x", busy_until=AS_OF + hours(4))  # at work from 8 to 16 o'clock
    plan = plan_allocation([task("a")], [one], even(1, 1, 5.0), AS_OF)
    (planned,) = plan.assignments
    assert planned.planned_start_at == AS_OF + hours(4)  # 13 o'clock
    assert planned.planned_end_at == AS_OF + hours(25)  # 10 o'clock on the next day


def test_a_task_begins_in_the_morning_when_the_shift_before_is_full() -> None:
    one = person("x")
    tasks = [task("a", due_at=AS_OF + hours(7)), task("b", due_at=AS_OF + hours(60))]
    plan = plan_allocation(tasks, [one], Estimates(np.array([[7.0], [1.0]])), AS_OF)
    assert plan.assignments[0].planned_end_at == AS_OF + hours(7)
    assert plan.assignments[1].planned_start_at == AS_OF + hours(23)
