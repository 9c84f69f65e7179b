import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pipelines.bench.allocation import FIGURES, compare, random_question, run_trials, time_plans
from pipelines.bench.allocation_estimates import Done, History
from pipelines.bench.allocation_policies import PLANNED, POLICY_NAMES, PRESENT
from pipelines.bench.allocation_trial import Outcome, gini, run_trial
from pipelines.bench.allocation_violations import violations
from pipelines.bench.commands import app
from pipelines.learning.allocation import plan_allocation


def test_the_command_tells_all_policies_the_same_company(tmp_path: Path) -> None:
    out = tmp_path / "allocation.json"
    arguments = ["allocation", "--seeds", "1", "--tasks", "400", "--instances", "1"]
    arguments += ["--open-tasks", "40", "--people", "10", "--json", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    figures = json.loads(out.read_text())["figures"]
    assert list(figures["policies"]) == list(POLICY_NAMES)
    assert {name for one in figures["policies"].values() for name in one} == set(FIGURES)
    # The requests do not depend on who answers them.
    assert len({one["workflow_count"] for one in figures["outcomes"]}) == 1
    assert figures["policies"][PRESENT]["mean_lead_time_h"]["difference"] == 0
    assert len({one["mean_lead_time_h"] for one in figures["outcomes"]}) > 3
    assert [one["violation_count"] for one in figures["timings"]] == [0, 0]
    assert PLANNED in result.output


def without_time(one: Outcome) -> Outcome:
    return replace(one, seconds=0.0)


def test_a_trial_is_repeatable() -> None:
    first, second = (without_time(run_trial(3, 400, PLANNED)) for _ in range(2))
    assert first == second


def test_trials_in_processes_give_what_one_alone_gives() -> None:
    told: list[tuple[int, int]] = []
    outcomes = run_trials(1, 300, lambda done, total: told.append((done, total)))
    assert [one.policy for one in outcomes] == list(POLICY_NAMES)
    assert told[-1] == (len(POLICY_NAMES), len(POLICY_NAMES))
    assert without_time(outcomes[0]) == without_time(run_trial(0, 300, PRESENT))


def outcome(policy: str, seed: int, lead_h: float) -> Outcome:
    return Outcome(seed, policy, 10, lead_h, 0.5, 2.0, 0.1, 0.1, 0, 1.0)


def test_differences_are_paired_by_seed() -> None:
    """Companies differ by hundreds of hours, the policies by 10 and 14."""
    outcomes = [outcome(PRESENT, 0, 100.0), outcome(PRESENT, 1, 900.0)]
    outcomes += [outcome("other", 1, 886.0), outcome("other", 0, 90.0)]
    found = compare(outcomes)["other"]["mean_lead_time_h"]
    assert (found.mean, found.difference) == (488.0, -12.0)
    # Student's t, one degree of freedom: 12.706 standard errors of 2 hours.
    assert found.low == pytest.approx(-12 - 12.706 * 2, abs=0.01)
    assert found.high == pytest.approx(-12 + 12.706 * 2, abs=0.01)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([5, 5, 5, 5], 0.0), ([0, 0, 0, 4], 0.75), ([1, 3], 0.25), ([0, 0], 0.0)],
)
def test_gini(values: list[float], expected: float) -> None:
    assert gini(np.array(values, float)) == pytest.approx(expected)


def test_estimates_know_persons_and_difficulty_and_doubt_small_numbers() -> None:
    def done(person: int, complexity: int, hours: float) -> Done:
        return Done("Bill", person, complexity, is_again=False, hours=hours)

    rows = [done(0, n, 2.0 * 1.2 ** (n - 3)) for n in (1, 2, 3, 4, 5)] * 8
    rows += [done(1, n, 4.0 * 1.2 ** (n - 3)) for n in (1, 2, 3, 4, 5)] * 8
    rows += [done(2, 3, 40.0)]
    history = History(rows)
    quick, slow, seen_once, unknown = (
        history.hours(person, "Bill", 3, is_again=False) for person in (0, 1, 2, 9)
    )
    assert slow / quick == pytest.approx(2.0, rel=0.15)
    assert quick < unknown < slow < seen_once < 20
    assert history.hours(0, "Bill", 5, is_again=False) / quick == pytest.approx(1.44, rel=0.1)


def test_the_judge_sees_what_is_wrong() -> None:
    asked = random_question(1, 30, 6, has_predecessors=True)
    plan = plan_allocation(*asked)
    assert violations(plan, *asked[:3]) == []
    first, *rest = plan.assignments
    other = next(one for one in asked[1] if one.person_id != first.person_id)
    moved = replace(plan, assignments=(replace(first, person_id=other.person_id), *rest))
    assert violations(moved, *asked[:3])
    assert violations(replace(plan, assignments=tuple(rest)), *asked[:3])
    assert time_plans(20, 5, 1, has_predecessors=False).violation_count == 0
