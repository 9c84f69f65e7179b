from math import inf

import numpy as np
import pytest

from pipelines.bench.allocation_violations import violations
from pipelines.learning.allocation import Constraint, Estimates, OpenTask, Weights, plan_allocation
from pipelines.learning.allocation.board import Board
from pipelines.learning.allocation.room import place_left_over
from pipelines.learning.allocation.working_time import WorkingTime
from tests.learning.allocation.instances import (
    AS_OF,
    even,
    hours,
    person,
    task,
    week,
)

FOUR = {"working": ((AS_OF, AS_OF + hours(4)),)}


@pytest.mark.parametrize(
    ("asked_for", "facts", "work", "constraint", "explanation"),
    [
        ({"team_id": "north"}, {"team_id": "south"}, 1, "team", "team north has nobody"),
        (
            {"required_skills": frozenset({"billing", "law"})},
            {"skills": frozenset({"billing"})},
            1,
            "skills",
            "nobody who may take it has law",
        ),
        (
            {"excluded_person_ids": frozenset({"x"})},
            {},
            1,
            "excluded",
            "only x could, who must not",
        ),
        ({}, {}, np.inf, "estimate", "the estimates say that x cannot"),
        (
            {},
            FOUR,
            5,
            "calendar",
            "x comes nearest, with 4.0 h of free working time in all for 5.0 h",
        ),
        ({"ready_at": AS_OF + hours(2)}, FOUR, 3, "calendar", "nobody who can do it works long"),
        ({}, {"max_tasks": 0}, 1, "capacity", "x can do it but hold as much as they may"),
        ({}, {"max_hours": 1.5}, 2, "capacity", "x can do it but hold as much as they may"),
        ({"predecessors": ("a",)}, {}, 1, "predecessors", "it waits for a, not planned either"),
    ],
)
def test_each_reason_is_named(
    asked_for: dict[str, object],
    facts: dict[str, object],
    work: float,
    constraint: str,
    explanation: str,
) -> None:
    plan = plan_allocation(
        [task("a", **asked_for)], [person("x", **facts)], even(1, 1, work), AS_OF
    )
    (unmet,) = plan.unmet
    assert plan.assignments == ()
    assert (unmet.task_id, unmet.constraint, unmet.is_planned) == ("a", constraint, False)
    assert explanation in unmet.explanation


def test_skills_that_nobody_has_together() -> None:
    people = [person("x", skills=frozenset({"a", "b"})), person("y", skills=frozenset({"c"}))]
    asked = [task("t", required_skills=frozenset({"a", "b", "c"}))]
    (unmet,) = plan_allocation(asked, people, even(1, 2), AS_OF).unmet
    assert unmet.explanation == "Not planned: nobody has a, b, c together; x lacks only c."


def test_those_who_wait_for_an_unplanned_task_are_unplanned_too() -> None:
    tasks = [
        task("a", required_skills=frozenset({"law"})),
        task("b", predecessors=("a",)),
        task("c", predecessors=("b",)),
        task("d", predecessors=("elsewhere",)),
    ]
    plan = plan_allocation(tasks, [person("x")], even(4, 1), AS_OF)
    assert [one.task_id for one in plan.assignments] == ["d"]
    assert [(one.task_id, one.constraint) for one in plan.unmet] == [
        ("a", Constraint.SKILLS),
        ("b", Constraint.PREDECESSORS),
        ("c", Constraint.PREDECESSORS),
    ]


def test_when_places_are_short_priority_decides() -> None:
    tasks = [task(f"T-{n}", priority=1 + n % 3) for n in range(9)]
    plan = plan_allocation(
        tasks, [person("x", max_tasks=2), person("y", **FOUR)], even(9, 2, 2.0), AS_OF
    )
    planned = {one.task_id for one in plan.assignments}
    assert planned == {"T-2", "T-5", "T-8"} | planned & {"T-1", "T-4", "T-7"}
    assert len(planned) == 4
    calendars_or_bounds = {Constraint.CAPACITY, Constraint.CALENDAR}
    assert {one.constraint for one in plan.unmet} <= calendars_or_bounds


def test_of_many_tasks_the_highest_priorities_get_the_places() -> None:
    draw = np.random.default_rng(4)
    tasks = [task(f"T-{n:02}", priority=float(1 + n)) for n in range(60)]
    people = [person(f"P-{n}", max_tasks=3) for n in range(5)]
    estimates = Estimates(draw.lognormal(0, 0.5, (60, 5)))
    plan = plan_allocation(tasks, people, estimates, AS_OF)
    assert sorted(one.task_id for one in plan.assignments) == [f"T-{n}" for n in range(45, 60)]


def test_room_is_made_by_moving_others_on() -> None:
    """Each person holds one task at most: a gets x's place, b moves on to y, c on to z."""
    board = Board(
        [[1, inf, inf], [1, 1, inf], [inf, 1, 1]],
        calendars=[WorkingTime(week(), AS_OF) for _ in range(3)],
        ready_s=[0, 0, 0],
        due_s=[inf, inf, inf],
        priority=[1, 1, 1],
        bounds=[(1, inf)] * 3,
        weights=Weights(),
        spread_ratio=0,
    )
    board.put(0, [1])
    board.put(1, [2])
    assert place_left_over(board)
    assert board.orders == [[0], [1], [2]]
    assert board.holder == [0, 1, 2]


def test_a_due_date_nobody_could_meet_and_one_given_up_for_others() -> None:
    tasks = [
        task("hopeless", due_at=AS_OF + hours(1)),
        task("past", due_at=AS_OF - hours(1)),
        task("lesser", due_at=AS_OF + hours(3)),
    ]
    plan = plan_allocation(tasks, [person("x")], even(3, 1, 2.0), AS_OF)
    told = {one.task_id: one for one in plan.unmet}
    assert all(one.constraint is Constraint.DUE_DATE and one.is_planned for one in told.values())
    assert "even at once, nobody could end it before Mon 2024-03-04 11:00 (x)" in (
        told["hopeless"].explanation
    )
    assert "it was due before this plan begins" in told["past"].explanation
    assert "x could end it at Mon 2024-03-04 11:00" in told["lesser"].explanation
    assert plan.totals.late_count == 3


def chain(task_id: str, *before: str) -> OpenTask:
    return task(task_id, predecessors=before)


def test_predecessors_end_first_even_across_people_and_circles_are_told() -> None:
    tasks = [chain("a", "b"), chain("b", "c"), chain("c"), chain("x", "y"), chain("y", "x")]
    people = [person("p"), person("q")]
    asked = (tasks, people, even(5, 2, 2.0))
    plan = plan_allocation(*asked, AS_OF)
    assert violations(plan, *asked) == []
    assert [one.task_id for one in plan.assignments] == ["c", "b", "a"]
    assert {one.task_id for one in plan.unmet} == {"x", "y"}


def test_an_alternative_says_what_moving_costs() -> None:
    people = [person("x", working=week(length=6)), person("y", working=week(length=6))]
    tasks = [task("a", due_at=AS_OF + hours(2))]
    plan = plan_allocation(tasks, people, Estimates(np.array([[2.0, 3.0]])), AS_OF)
    (planned,) = plan.assignments
    (other,) = planned.alternatives
    assert (planned.person_id, other.person_id) == ("x", "y")
    assert other.planned_end_at == AS_OF + hours(3)
    assert (other.extra_lateness_s, other.extra_time_s, other.extra_work_s) == (3600, 3600, 3600)
    assert planned.reason == (
        "x needs about 2.0 h, as quick as any of the 2 who can do it; next, from "
        "Mon 2024-03-04 09:00 to Mon 2024-03-04 11:00, 0 min before it is due. y instead would "
        "mean 1.0 h more expected lateness, 1.0 h more time until tasks end, 1.0 h more work."
    )
