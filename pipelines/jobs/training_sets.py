"""What each model learns from: questions of the past, with what was known when they were asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import pandas as pd

from pipelines.contracts import FEATURE_MODELS, WORKFLOW_MODELS, Model
from pipelines.features.history import read_history
from pipelines.features.request_time import add_request_time
from pipelines.learning.assignee.takings import task_takings
from pipelines.learning.columns import WORKFLOW_ID
from pipelines.learning.labels import late_limits, workflow_labels
from pipelines.learning.next_activity.rows import next_activity_rows
from pipelines.learning.split import TimeSplit, split_at, split_by_time
from pipelines.learning.task_duration.rows import task_questions, task_training_set
from pipelines.learning.template.rows import template_rows
from pipelines.learning.training_set import TrainingSet, build_training_set
from pipelines.settings import Settings
from pipelines.store.moments import prediction_moments
from pipelines.store.repo import open_store
from pipelines.store.training_sets import training_set


@dataclass(frozen=True)
class _Past:
    """A history up to a moment, split by time, and how much of it to take."""

    settings: Settings
    until: datetime
    seed: int
    max_rows: int
    workflows: pd.DataFrame = field(repr=False)
    closures: pd.DataFrame = field(repr=False)
    task_events: pd.DataFrame = field(repr=False)
    split: TimeSplit = field(repr=False)

    @property
    def known(self) -> tuple[pd.DataFrame, pd.DataFrame, float, pd.Timestamp]:
        """What `workflow_labels` and `late_limits` take."""
        quantile = self.settings.late_quantile
        return self.workflows, self.closures, quantile, self.split.test_start


def make_training_set(
    settings: Settings, model: Model, until: datetime, seed: int, max_rows: int
) -> TrainingSet:
    """Take the questions of a model from the history before `until`, labelled and split by time.

    Raises:
        TrainingError: too little history on one side of the split.
        FeatureStoreError: the features cannot be joined.
    """
    history = read_history(settings.lake, until)
    workflows, closures = history.workflows.to_pandas(), history.workflow_closures.to_pandas()
    split = split_by_time(workflows, closures, settings.test_ratio)
    events = pd.DataFrame()
    if model is Model.DELAY_RISK:
        moments = history.task_events.select(WORKFLOW_ID, "occurred_at", "recorded_at").to_pyarrow()
        # There may be many times more events than workflows.
        events = moments.to_pandas(categories=[WORKFLOW_ID])
    elif model not in WORKFLOW_MODELS:  # whose moments are sampled in the lake itself
        events = history.task_events.to_pandas()
    past = _Past(settings, until, seed, max_rows, workflows, closures, events, split)
    return _MAKERS[model](past, model)


def feature_service(model: Model) -> str:
    """Return the feature service a model reads; empty for one that reads the history itself."""
    return model.value if model in FEATURE_MODELS else ""


def _of_endings(past: _Past, model: Model) -> TrainingSet:
    features = _features(past, model, past.split)
    return build_training_set(features, workflow_labels(*past.known), past.split)


def _of_lateness(past: _Past, model: Model) -> TrainingSet:
    # What is overdue is late, whenever it will end: that is known before the end is.
    labels = workflow_labels(*past.known, past.task_events)
    split = split_at(labels.reset_index(), past.split.test_start)
    features = _features(past, model, split)
    return build_training_set(features, labels, split, late_limits(*past.known))


def _features(past: _Past, model: Model, split: TimeSplit) -> pd.DataFrame:
    moments = prediction_moments(
        past.settings.lake, past.until, past.seed, past.max_rows, split.workflow_ids
    )
    return add_request_time(training_set(open_store(past.settings), moments, model.value))


def _of_tasks(past: _Past, model: Model) -> TrainingSet:
    questions = task_questions(past.task_events, past.split, past.max_rows, past.seed)
    rows = training_set(open_store(past.settings), questions, model.value, has_keys=True)
    return task_training_set(add_request_time(rows), past.split)


def _of_takings(past: _Past, _model: Model) -> TrainingSet:
    # All of them: who took what on neither side is known, too.
    return TrainingSet(task_takings(past.task_events, past.workflows, past.split), past.split)


def _of_templates(past: _Past, _model: Model) -> TrainingSet:
    rows = template_rows(
        past.workflows,
        past.closures,
        past.task_events,
        past.split,
        past.settings.late_quantile,
    )
    return TrainingSet(rows, past.split, str(rows["late_rule"].mode().iloc[0]))


def _of_next_activities(past: _Past, _model: Model) -> TrainingSet:
    rows = next_activity_rows(
        past.task_events, past.workflows, past.split, past.max_rows, past.seed
    )
    return TrainingSet(rows, past.split)


_MAKERS: Final[Mapping[Model, Callable[[_Past, Model], TrainingSet]]] = {
    Model.REMAINING_TIME: _of_endings,
    Model.DELAY_RISK: _of_lateness,
    Model.TASK_DURATION: _of_tasks,
    Model.ASSIGNEE: _of_takings,
    Model.TEMPLATE: _of_templates,
    Model.NEXT_ACTIVITY: _of_next_activities,
}
