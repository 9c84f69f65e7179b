"""What is remembered of a moment is forgotten as soon as something is learned."""

from collections.abc import Callable

import numpy as np
import pytest

from pipelines.learning.assignee.coded_log import Event
from pipelines.learning.assignee.ledger import Ledger
from pipelines.learning.assignee.question import TaskAsked
from pipelines.learning.assignee.tasks import Leaving, Tasks

NOW_S = 3 * 86_400.0
ASKED = TaskAsked(workflow=0, activity=0, team=0, context=(), now_s=NOW_S)
ANN, BOB = 0, 1
Teach = Callable[[Ledger], None]


def event(person: int, time_s: float, due_s: float = NOW_S) -> Event:
    return Event(0, activity=0, person=person, team=0, context=(), time_s=time_s, due_s=due_s)


def begun() -> Ledger:
    ledger = Ledger(Tasks())
    ledger.learn(event(ANN, 0.0))
    ledger.learn(event(BOB, 3_600.0))
    ledger.leave(Leaving(0, ANN, 0, 7_200.0, 7_200.0, 1_800.0))
    return ledger


@pytest.mark.parametrize(
    "teach",
    [
        pytest.param(lambda ledger: ledger.learn(event(ANN, NOW_S, due_s=0.0)), id="an event"),
        pytest.param(
            lambda ledger: ledger.leave(Leaving(1, BOB, 0, NOW_S, NOW_S, NOW_S)), id="a task left"
        ),
    ],
)
def test_what_is_learned_at_the_moment_that_was_asked_about_is_told(teach: Teach) -> None:
    asked_before, not_asked = begun(), begun()
    before = asked_before.features(asked_before.task_question(ASKED))

    for ledger in (asked_before, not_asked):
        teach(ledger)
    told = asked_before.features(asked_before.task_question(ASKED))
    expected = not_asked.features(not_asked.task_question(ASKED))

    assert list(told) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(told[name], values, name)
    assert any(not np.array_equal(told[name], before[name], equal_nan=True) for name in told)
