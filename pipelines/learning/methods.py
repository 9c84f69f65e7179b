"""Every model by name: how it is trained, measured, and read back from its files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import pandas as pd

from pipelines.contracts import WORKFLOW_MODELS, Model
from pipelines.learning.evaluate import evaluate, evaluate_baselines
from pipelines.learning.metrics import Metrics
from pipelines.learning.next_activity.measure import (
    evaluate_next_activity,
    next_activity_baselines,
)
from pipelines.learning.next_activity.model import NextActivityModel
from pipelines.learning.next_activity.train import train_next_activity
from pipelines.learning.predictor import Predictor
from pipelines.learning.task_duration.durations import TaskDurations
from pipelines.learning.task_duration.measure import duration_baselines, evaluate_durations
from pipelines.learning.task_duration.train import train_durations
from pipelines.learning.template.measure import evaluate_templates, template_baselines
from pipelines.learning.template.model import TemplateModel
from pipelines.learning.template.train import train_templates
from pipelines.learning.train import train
from pipelines.learning.trained import Recommender, TrainedModel
from pipelines.learning.training_set import TrainingSet


class Train(Protocol):
    """Train on a training set, measure on its test rows, explain and draw."""

    def __call__(self, training_set: TrainingSet, *, seed: int, trial_count: int) -> TrainedModel:
        """Raise TrainingError where there is too little to learn from."""


@dataclass(frozen=True)
class Method:
    """What can be done with one model.

    `evaluate` measures one on the test rows of a training set's frame, `baselines` the simple
    answers beside it; what `load` gives is what `evaluate` takes.
    """

    train: Train
    evaluate: Callable[[Any, pd.DataFrame], Metrics]
    baselines: Callable[[pd.DataFrame], dict[str, Metrics]]
    load: Callable[[Path], Recommender]


def _of_workflows(model: Model) -> Method:
    return Method(
        partial(train, model), evaluate, partial(evaluate_baselines, model), Predictor.load
    )


METHODS: Final[Mapping[Model, Method]] = {
    **{model: _of_workflows(model) for model in WORKFLOW_MODELS},
    Model.TASK_DURATION: Method(
        train_durations, evaluate_durations, duration_baselines, TaskDurations.load
    ),
    Model.TEMPLATE: Method(
        train_templates, evaluate_templates, template_baselines, TemplateModel.load
    ),
    Model.NEXT_ACTIVITY: Method(
        train_next_activity,
        evaluate_next_activity,
        next_activity_baselines,
        NextActivityModel.load,
    ),
}
