"""Allocation measured: inside the simulated company beside simple rules, and by the clock."""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from statistics import fmean, median
from typing import Any, Final

import numpy as np
from scipy.stats import t as student

from pipelines.bench.allocation_policies import POLICY_NAMES, PRESENT
from pipelines.bench.allocation_trial import Outcome, run_trial
from pipelines.bench.allocation_violations import violations
from pipelines.learning.allocation import (
    AvailablePerson,
    Estimates,
    OpenTask,
    Plan,
    plan_allocation,
)

FIGURES: Final = (
    "mean_lead_time_h", "late_ratio", "mean_lateness_h", "load_gini", "utilisation_gini",
)  # fmt: skip
_CONFIDENCE: Final = 0.95
_PROCESSES: Final = 2
_SKILL_COUNT: Final = 8
_AS_OF: Final = datetime(2024, 3, 4, 9, tzinfo=UTC)

Question = tuple[list[OpenTask], list[AvailablePerson], Estimates, datetime]


@dataclass(frozen=True)
class Difference:
    """Mean of one figure over all seeds, and its paired difference to the present practice."""

    mean: float
    difference: float
    low: float  # ends of the 95 % confidence interval of the difference
    high: float


@dataclass(frozen=True)
class Timing:
    """Planning of random questions of one size, each planned once."""

    task_count: int
    person_count: int
    has_predecessors: bool
    median_s: float
    longest_s: float
    planned_ratio: float
    violation_count: int


def run_trials(seeds: int, task_count: int, progress: Callable[[int, int], None]) -> list[Outcome]:
    """Run every policy on the companies of seeds 0, 1, … in two processes."""
    arguments = [(seed, task_count, name) for seed in range(seeds) for name in POLICY_NAMES]
    context = multiprocessing.get_context("spawn")
    outcomes = []
    with ProcessPoolExecutor(_PROCESSES, mp_context=context) as pool:
        for outcome in pool.map(run_trial, *zip(*arguments, strict=True)):
            outcomes.append(outcome)
            progress(len(outcomes), len(arguments))
    return outcomes


def compare(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Difference]]:
    """Return for each policy and figure its mean and its difference to the present practice.

    The interval is Student's t for paired differences, one of each seed; with a single seed it
    is unbounded.
    """
    by_policy: dict[str, dict[int, Outcome]] = {}
    for one in outcomes:
        by_policy.setdefault(one.policy, {})[one.seed] = one
    present = by_policy[PRESENT]
    return {
        name: {
            figure: _difference(
                [getattr(of_seed[seed], figure) for seed in sorted(of_seed)],
                [getattr(present[seed], figure) for seed in sorted(of_seed)],
            )
            for figure in FIGURES
        }
        for name, of_seed in by_policy.items()
    }


def _difference(values: Sequence[float], present: Sequence[float]) -> Difference:
    paired = np.array(values) - np.array(present)
    count, mean = len(paired), float(paired.mean())
    if count == 1:
        margin = 0.0 if not paired.any() else float("inf")
    else:
        error = float(paired.std(ddof=1)) / count**0.5
        margin = float(student.ppf((1 + _CONFIDENCE) / 2, count - 1)) * error
    return Difference(fmean(values), mean, mean - margin, mean + margin)


def time_plans(
    task_count: int, person_count: int, instances: int, *, has_predecessors: bool
) -> Timing:
    """Plan random questions and check every plan by a judge of its own."""
    seconds, planned, violation_count = [], 0, 0
    for seed in range(instances):
        asked = random_question(seed, task_count, person_count, has_predecessors=has_predecessors)
        begun = time.perf_counter()
        plan: Plan = plan_allocation(*asked)
        seconds.append(time.perf_counter() - begun)
        planned += plan.totals.planned_count
        violation_count += len(violations(plan, *asked[:3]))
    return Timing(
        task_count=task_count,
        person_count=person_count,
        has_predecessors=has_predecessors,
        median_s=median(seconds),
        longest_s=max(seconds),
        planned_ratio=planned / (instances * task_count),
        violation_count=violation_count,
    )


def random_question(
    seed: int, task_count: int, person_count: int, *, has_predecessors: bool
) -> Question:
    """Draw four weeks of calendars, one to three of eight skills a person, one skill a task."""
    draw = np.random.default_rng(seed)
    skills = [f"skill {number}" for number in range(_SKILL_COUNT)]
    morning = _AS_OF.replace(hour=8)
    days = [morning + timedelta(days=day) for day in range(28) if day % 7 < 5]  # noqa: PLR2004
    people = [
        AvailablePerson(
            person_id=f"P-{number:04d}",
            working=tuple(
                (day, day + timedelta(hours=8))
                for day in days
                if draw.random() > 0.1  # noqa: PLR2004
            ),
            skills=frozenset(draw.choice(skills, draw.integers(1, 4), replace=False)),
            busy_until=_AS_OF + timedelta(hours=float(draw.exponential(2))),
            max_tasks=int(draw.integers(6, 15)),
        )
        for number in range(person_count)
    ]
    tasks = [
        OpenTask(
            task_id=f"T-{number:05d}",
            workflow_id=f"W-{number:05d}",
            activity="work",
            required_skills=frozenset((str(draw.choice(skills)),)),
            due_at=_AS_OF + timedelta(hours=float(draw.uniform(-20, 200))),
            priority=float(draw.choice([0.5, 1, 2, 4])),
            predecessors=(f"T-{number - 1:05d}",)
            if number and has_predecessors and draw.random() < 0.3  # noqa: PLR2004
            else (),
        )
        for number in range(task_count)
    ]
    hours = draw.lognormal(1, 0.7, (task_count, 1))
    hours = hours * draw.lognormal(0, 0.3, (task_count, person_count))
    return tasks, people, Estimates(hours), _AS_OF


def comparison_rows(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """Return the table's rows: each policy's means, and differences with their intervals."""
    rows = []
    for name, figures in compare(outcomes).items():
        cells = [name]
        for figure in FIGURES[:4]:
            one, digits = figures[figure], 1 if figure.endswith("_h") else 3
            cells.append(f"{one.mean:.{digits}f}")
            cells.append(
                ""
                if name == PRESENT
                else f"{one.difference:+.{digits}f} [{one.low:+.{digits}f}, {one.high:+.{digits}f}]"
            )
        open_count = sum(one.still_open_count for one in outcomes if one.policy == name)
        rows.append([*cells, str(open_count)])
    return rows


def timing_rows(timings: Sequence[Timing]) -> list[list[str]]:
    """Return the table's rows: seconds and violations of each kind of question."""
    return [
        [
            f"{one.task_count} tasks x {one.person_count} people"
            + (", a third of them chained" if one.has_predecessors else ""),
            f"{one.median_s:.2f}",
            f"{one.longest_s:.2f}",
            f"{one.planned_ratio:.1%}",
            str(one.violation_count),
        ]
        for one in timings
    ]


def content(outcomes: Sequence[Outcome], timings: Sequence[Timing]) -> dict[str, Any]:
    """Return all figures as plain values."""
    return {
        "policies": {
            name: {figure: asdict(one) for figure, one in figures.items()}
            for name, figures in compare(outcomes).items()
        },
        "outcomes": [asdict(one) for one in outcomes],
        "timings": [asdict(one) for one in timings],
    }
