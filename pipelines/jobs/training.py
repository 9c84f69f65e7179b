"""What the DAG `train_models` does: a training set as known at each moment, a challenger."""

from datetime import datetime
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pipelines.contracts import Model, Stage
from pipelines.errors import TrainingError
from pipelines.jobs.training_sets import feature_service, make_training_set
from pipelines.learning.methods import METHODS
from pipelines.registry.log import Origin, register
from pipelines.settings import Settings
from pipelines.source.connect import open_engine
from pipelines.source.watermarks import get_watermark
from pipelines.store.certificate import read_certificate, require_parity
from pipelines.store.training_sets import save_training_set
from pipelines.validate.run import require, run_suite

if TYPE_CHECKING:
    import great_expectations as gx


def train_challenger(
    settings: Settings,
    model: str,
    suite: "gx.ExpectationSuite",
    *,
    seed: int | None = None,
    max_rows: int | None = None,
    trial_count: int | None = None,
    dag_run_id: str = "",
) -> str:
    """Train `model` on what was known before the watermark and register it as challenger.

    Args:
        settings: where everything is.
        model: name of the model.
        suite: what its training set must look like.
        seed: of sampling and training; None takes the setting.
        max_rows: rows to train on; None takes the setting.
        trial_count: learners and hyper-parameters to try; None takes the setting.
        dag_run_id: of the DAG run that asked, by which the MLflow run can be found.

    Returns:
        The registered version, as `model/version`.

    Raises:
        TrainingError: nothing to learn from, or too little.
        ValidationFailedError: a critical expectation failed on the training set.
        ParityError: the features have no parity certificate, or one with mismatches.
        RegistryError: MLflow refused or does not answer.
    """
    name, seed = Model(model), settings.seed if seed is None else seed
    until = _features_built_until(settings)
    parity = require_parity(read_certificate(settings.lake, until))
    learned_from = make_training_set(
        settings, name, until, seed, max_rows or settings.train_max_rows
    )
    require(run_suite(learned_from.frame, suite, settings.docs_dir))
    path = save_training_set(settings.lake, name, learned_from.frame)
    origin = Origin(
        dataset_url=path,
        dataset_digest=PurePosixPath(path).stem,
        feature_service=feature_service(name),
        watermark=until.isoformat(),
        code_version=version("workcast"),
        dag_run_id=dag_run_id,
        parity=parity,
    )
    trained = METHODS[name].train(
        learned_from, seed=seed, trial_count=trial_count or settings.train_trials
    )
    registered = register(trained, origin, settings.mlflow)
    return f"{registered.name}/{registered.version}"


def _features_built_until(settings: Settings) -> datetime:
    engine = open_engine(settings)
    try:
        until = get_watermark(engine, Stage.FEATURES)
    finally:
        engine.dispose()
    if until is None:
        raise TrainingError("No features are built yet: run the DAG build_features first.")
    return until
