"""One trial: a company works by its present practice, then a policy takes over."""

import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipelines.bench.allocation_dispatch import TrialDispatch
from pipelines.bench.allocation_estimates import learn
from pipelines.bench.allocation_policies import policy
from pipelines.contracts import Transition
from pipelines.errors import BenchmarkError
from pipelines.history.company import START
from pipelines.history.company.design import design_company
from pipelines.history.company.journal import NONE, TRANSITIONS
from pipelines.history.company.shifts import DAY_S
from pipelines.history.company.simulation import Simulation

_SETTLING_DAYS: Final = 7  # after the take-over, not measured: old work is still in hand
_LONGEST_DAYS: Final = 120  # after the last measured opening; some policies let tasks starve
_NO_END: Final = 1 << 40


@dataclass(frozen=True)
class Outcome:
    """What one policy made of one company's workflows; hours are of the calendar."""

    seed: int
    policy: str
    workflow_count: int
    mean_lead_time_h: float
    late_ratio: float
    mean_lateness_h: float
    load_gini: float  # of people's hours at work on tasks
    utilisation_gini: float  # of these as a part of each person's working time
    still_open_count: int  # when the trial was broken off; taken as closed at that moment
    seconds: float


def run_trial(seed: int, task_count: int, policy_name: str) -> Outcome:
    """Let a company of about `task_count` tasks work half its time by its own practice.

    The other half a policy decides; measured are all workflows opened in that half but its
    first week, each followed to its closing, while new requests go on coming in. All policies
    of a seed meet the same company, history and requests.
    """
    begun = time.perf_counter()
    company = design_company(task_count, seed, START)
    simulation = Simulation(company, seed, _NO_END, dispatch=TrialDispatch)
    day = 0
    while simulation.journal.task_count < task_count // 2:
        day += 1
        simulation.run_until(day * DAY_S)
    take_over = day * DAY_S
    chosen = policy(policy_name, learn(simulation, take_over), seed)
    dispatch = simulation.labour.dispatch
    if chosen is not None and isinstance(dispatch, TrialDispatch):
        dispatch.take_over(chosen, company.teams)
    begin, end = take_over + _SETTLING_DAYS * DAY_S, 2 * take_over
    simulation.run_until(end)
    opened = simulation.journal.workflows[:, 3].copy()  # a view would keep the journal from growing
    measured = np.flatnonzero((opened >= begin) & (opened < end))
    if not len(measured):
        raise BenchmarkError(f"{task_count} tasks make no workflow to measure: give more tasks.")
    at = end
    while (simulation.journal.workflows[measured, 5] == NONE).any():
        if at >= end + _LONGEST_DAYS * DAY_S:
            break
        at += DAY_S
        simulation.run_until(at)
    rows = simulation.journal.workflows[measured]
    is_open = rows[:, 5] == NONE
    closed_at = np.where(is_open, at, rows[:, 5])  # at the earliest, where it is still open
    late_s = closed_at - rows[:, 4]
    load_h, utilisation = _loads(simulation, begin, end)
    return Outcome(
        seed=seed,
        policy=policy_name,
        workflow_count=len(measured),
        mean_lead_time_h=float((closed_at - rows[:, 3]).mean() / 3600),
        late_ratio=float((late_s > 0).mean()),
        mean_lateness_h=float(np.maximum(late_s, 0).mean() / 3600),
        load_gini=gini(load_h),
        utilisation_gini=gini(utilisation),
        still_open_count=int(is_open.sum()),
        seconds=time.perf_counter() - begun,
    )


def gini(values: np.ndarray) -> float:
    """Return the Gini coefficient: 0 all alike, towards 1 one has everything."""
    ordered = np.sort(values)
    count = len(ordered)
    if not ordered.sum():
        return 0.0
    ranks = 2 * np.arange(1, count + 1) - count - 1
    return float(ranks @ ordered / (count * ordered.sum()))


def _loads(simulation: Simulation, begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each person's hours on tasks in a period, and these per hour of working time."""
    people = simulation.company.people
    busy = np.zeros(len(people))
    since: dict[int, int] = {}
    for task, code, person, at, _, _ in simulation.journal.events.tolist():
        transition = TRANSITIONS[code]
        if transition in (Transition.STARTED, Transition.RESUMED):
            since[task] = at
        elif task in since and person != NONE:
            worked = people[person].shifts.worked_until
            first, last = max(begin, since.pop(task)), min(end, at)
            busy[person] += max(0, worked(last) - worked(first)) if last > first else 0
    there = np.array(
        [one.shifts.worked_until(end) - one.shifts.worked_until(begin) for one in people]
    )
    return busy / 3600, busy / np.maximum(there, 1)
