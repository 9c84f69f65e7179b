import pytest

from pipelines.contracts import WORKFLOW_MODELS, Model
from pipelines.learning.train import TrainedModel, train
from pipelines.learning.training_set import TrainingSet
from tests.learning.history import make_training_set


@pytest.fixture(scope="session")
def training_set() -> TrainingSet:
    return make_training_set()


@pytest.fixture(scope="session")
def trained(training_set: TrainingSet) -> dict[Model, TrainedModel]:
    return {model: train(model, training_set, seed=7, trial_count=7) for model in WORKFLOW_MODELS}
