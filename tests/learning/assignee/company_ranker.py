"""The history of the small company, and the ranker that learned from it."""

from datetime import timedelta
from functools import cache
from typing import Any

import pandas as pd

from pipelines.learning.assignee.ranker import Ranker
from pipelines.learning.assignee.standings import Standings, standings_of
from pipelines.learning.assignee.state import AssigneeState
from pipelines.learning.assignee.takings import task_takings
from pipelines.learning.assignee.train import train
from pipelines.learning.split import split_by_time
from pipelines.learning.training_set import TrainingSet
from tests.learning.assignee.company import company_tables, number_events, task_event

EVENTS, WORKFLOWS, CLOSURES = company_tables()
NOW = EVENTS["occurred_at"].max().to_pydatetime() + timedelta(minutes=6)


@cache
def company_ranker() -> Ranker:
    """Return the ranker, trained once for all tests."""
    split = split_by_time(WORKFLOWS, CLOSURES, 0.25)
    trained = train(TrainingSet(task_takings(EVENTS, WORKFLOWS, split), split), trial_count=2)
    assert isinstance(trained.predictor, Ranker)
    return trained.predictor


@cache
def company_state() -> AssigneeState:
    """Return what is known of Ann, who holds two tasks, Cem, who holds one, Bob, Dee and Eva."""
    hours = (pd.Timestamp(NOW) - EVENTS["occurred_at"].min()).total_seconds() / 3_600
    taken = [
        task_event(f"n{one}", f"n{one}", "register", "desk", "assigned", person, hours)
        for one, person in enumerate(("ann", "ann", "cem"))
    ]
    events = pd.concat([EVENTS, number_events(taken).assign(event_id=["x", "y", "z"])])
    return AssigneeState(events, WORKFLOWS)


def standings(ranker: Ranker, state: AssigneeState, *asked: Any, **options: Any) -> Standings:
    """Rank who should take one task; the arguments are `AssigneeState.candidates`'."""
    (found,) = standings_of(ranker, [state.candidates(ranker, *asked, **options)])
    return found
