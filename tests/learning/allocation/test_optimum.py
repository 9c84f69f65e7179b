"""Beside the best of all plans, found by trying every one."""

from collections.abc import Iterator
from itertools import permutations, product
from math import inf

import numpy as np
import pytest

from pipelines.learning.allocation import (
    AvailablePerson,
    Estimates,
    OpenTask,
    Weights,
    plan_allocation,
)
from tests.learning.allocation.instances import AS_OF, Question, hours, person, task, week

LINEAR = Weights(lateness=1.0, time=0.25, work=0.05, patience_h=inf)
STEADY = Weights()


def small_question(seed: int) -> Question:
    """Draw 6 tasks and 3 people, all able, with due dates, late readiness and short days."""
    draw = np.random.default_rng(seed)
    people = [
        person(f"P-{n}", working=week(begin=int(draw.integers(7, 11)), length=5, days=9))
        for n in range(3)
    ]
    tasks = [
        task(
            f"T-{n}",
            due_at=AS_OF + hours(draw.uniform(-5, 50)),
            ready_at=AS_OF + hours(draw.uniform(0, 20)) if draw.random() < 0.3 else None,
            priority=float(draw.choice([1, 2])),
        )
        for n in range(6)
    ]
    work = draw.lognormal(1, 0.6, (6, 1)) * draw.lognormal(0, 0.3, (6, 3))
    return tasks, people, Estimates(np.round(work, 2))


def all_orders(count: int, people: int) -> Iterator[list[list[int]]]:
    for order in permutations(range(count)):
        for cuts in product(range(people), repeat=count):
            # Each person's order is the permutation's; ones that only reorder others are skipped.
            own: list[list[int]] = [[] for _ in range(people)]
            for one in order:
                own[cuts[one]].append(one)
            if [one for each in own for one in each] == list(order):
                yield own


def finish(one: AvailablePerson, begin_h: float, work_h: float) -> float:
    """Work through a calendar period by period; hours since AS_OF."""
    left = work_h
    for opens, closes in one.working:
        first = max(begin_h, (opens - AS_OF).total_seconds() / 3600, 0.0)
        last = (closes - AS_OF).total_seconds() / 3600
        if last > first:
            if left <= last - first + 1e-9:
                return first + left
            left -= last - first
    return inf


def cost(task_: OpenTask, end_h: float, work_h: float, weights: Weights) -> float:
    ready_h = max(0.0, (task_.ready_at - AS_OF).total_seconds() / 3600 if task_.ready_at else 0.0)
    over = end_h - (task_.due_at - AS_OF).total_seconds() / 3600
    if weights.patience_h == inf:
        late = max(0.0, over)
    else:
        late = weights.patience_h * (np.exp(over / weights.patience_h) - 1)
    waited = weights.time * (end_h - ready_h)
    return task_.priority * (weights.lateness * late + waited) + weights.work * work_h


def person_cost(asked: Question, number: int, order: list[int], weights: Weights) -> float:
    tasks, people, estimates = asked
    at = total = 0.0
    for one in order:
        ready = tasks[one].ready_at
        if ready is not None:
            at = max(at, (ready - AS_OF).total_seconds() / 3600)
        at = finish(people[number], at, estimates.hours[one, number])
        total += cost(tasks[one], at, estimates.hours[one, number], weights)
    return total


def least_cost(asked: Question, weights: Weights) -> float:
    known: dict[tuple[int, tuple[int, ...]], float] = {}

    def of(number: int, order: list[int]) -> float:
        key = (number, tuple(order))
        if key not in known:
            known[key] = person_cost(asked, number, order, weights)
        return known[key]

    return min(
        sum(of(number, order) for number, order in enumerate(own)) for own in all_orders(6, 3)
    )


@pytest.mark.parametrize("weights", [LINEAR, STEADY], ids=["linear", "steady"])
def test_small_plans_are_optimal_or_nearly_so(weights: Weights) -> None:
    ratios = []
    for seed in range(4):
        asked = small_question(seed)
        found, least = (
            plan_allocation(*asked, AS_OF, weights).totals.cost,
            least_cost(asked, weights),
        )
        assert found >= least - 0.01  # seconds are whole in plans
        ratios.append((found + 1e3) / (least + 1e3) if least <= 0 else found / least)
    assert max(ratios) < 1.08
    assert np.median(ratios) < 1.005


def test_the_urgent_task_goes_first_and_the_quick_person_gets_the_long_one() -> None:
    tasks = [task("long"), task("urgent", due_at=AS_OF + hours(2)), task("short")]
    people = [person("quick"), person("slow")]
    estimates = Estimates(np.array([[4.0, 9.0], [2.0, 2.0], [1.0, 1.1]]))
    plan = plan_allocation(tasks, people, estimates, AS_OF)
    by_task = {one.task_id: one for one in plan.assignments}
    assert by_task["long"].person_id == "quick"
    assert by_task["urgent"].person_id == "slow"
    assert by_task["urgent"].planned_start_at == AS_OF
    assert by_task["urgent"].slack_s == 0


def test_with_patience_nothing_waits_for_ever() -> None:
    old = task("old", due_at=AS_OF - hours(400))
    new = [task(f"new-{n}", due_at=AS_OF - hours(1)) for n in range(4)]
    estimates = Estimates(np.array([[6.0]] + [[1.0]] * 4))
    order = {}
    for name, weights in (("linear", LINEAR), ("steady", STEADY)):
        plan = plan_allocation([old, *new], [person("x")], estimates, AS_OF, weights)
        order[name] = [one.task_id for one in plan.assignments].index("old")
    assert order == {"linear": 4, "steady": 0}


def test_an_estimate_that_may_err_makes_lateness_likely_before_the_due_date() -> None:
    tasks = [task("a", due_at=AS_OF + hours(5))]
    certain = plan_allocation(tasks, [person("x")], Estimates(np.array([[4.0]])), AS_OF)
    spread = plan_allocation(tasks, [person("x")], Estimates(np.array([[4.0]]), 0.5), AS_OF)
    assert certain.totals.expected_lateness_s == 0
    assert 600 < spread.totals.expected_lateness_s < 3 * 3600
