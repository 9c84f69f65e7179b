"""The history of the small company, and the ranker that learned from it."""

from datetime import timedelta
from functools import cache

from pipelines.learning.assignee.ranker import Ranker
from pipelines.learning.assignee.takings import task_takings
from pipelines.learning.assignee.train import train
from pipelines.learning.split import split_by_time
from pipelines.learning.training_set import TrainingSet
from tests.learning.assignee.company import company_tables

EVENTS, WORKFLOWS, CLOSURES = company_tables()
NOW = EVENTS["occurred_at"].max().to_pydatetime() + timedelta(minutes=6)


@cache
def company_ranker() -> Ranker:
    """Return the ranker, trained once for all tests."""
    split = split_by_time(WORKFLOWS, CLOSURES, 0.25)
    trained = train(TrainingSet(task_takings(EVENTS, WORKFLOWS, split), split), trial_count=2)
    assert isinstance(trained.predictor, Ranker)
    return trained.predictor
