"""Steps run as soon as what they need is done, the first that can be first."""

from graphlib import CycleError
from threading import Barrier

import pytest

from pipelines.features.steps import Step, run_steps


def test_steps_run_after_what_they_need_and_in_order() -> None:
    done: list[str] = []
    steps = {
        "last": Step(lambda: done.append("last"), {"b", "a"}),
        "b": Step(lambda: done.append("b"), {"a", "no step"}),
        "a": Step(lambda: done.append("a")),
        "c": Step(lambda: done.append("c")),
    }
    assert [name for name, _ in run_steps(steps, workers=1)] == ["a", "b", "last", "c"]
    assert done == ["a", "b", "last", "c"]


def test_two_run_at_a_time() -> None:
    both = Barrier(2, timeout=20)
    results = dict(run_steps({"a": Step(both.wait), "b": Step(both.wait)}, workers=2))
    assert sorted(results.values()) == [0, 1]


def test_no_step_begins_after_one_that_fails() -> None:
    done: list[str] = []

    def fail() -> None:
        raise ValueError("the step failed")

    steps = {
        "a": Step(fail),
        "b": Step(lambda: done.append("b"), {"a"}),
        "c": Step(lambda: done.append("c")),
    }
    with pytest.raises(ValueError, match="the step failed"):
        list(run_steps(steps, workers=1))
    assert done == []


def test_steps_that_need_each_other_are_refused() -> None:
    steps = {"a": Step(list, {"b"}), "b": Step(list, {"a"})}
    with pytest.raises(CycleError):
        list(run_steps(steps))
