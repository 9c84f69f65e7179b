"""Log a trained model to MLflow and register it as challenger."""

import tempfile
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import mlflow
import mlflow.pyfunc
import pandas as pd
from mlflow.data.dataset_source_registry import resolve_dataset_source
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import AnyType
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from pipelines.contracts import Alias
from pipelines.learning.metrics import Metrics
from pipelines.learning.trained import TrainedModel
from pipelines.registry.client import PREDICTOR_ARTIFACT, connected, registry_client
from pipelines.registry.sample import write_sample
from pipelines.store.certificate import Certificate

PARITY_ARTIFACT: Final = "parity_certificate.json"
_CODE: Final = Path(__file__).with_name("pyfunc_model.py")
_REQUIREMENTS: Final = ("mlflow", "lightgbm", "numpy", "pandas", "scikit-learn")
# The most MLflow takes.
_DIGEST_LENGTH: Final = 36
_DESCRIPTION_LENGTH: Final = 5_000
_OUTCOMES: Final = {"weight", "reached"}  # of a trial; all else is what was tried
_NAMING: Final = ("span", "learner", "column_set")  # settings that name a trial
_REST: Final = "\n\n(The rest is in `model_card.md` of the run.)"


@dataclass(frozen=True)
class Origin:
    """Where a training run came from: everything needed to repeat it."""

    dataset_url: str  # the training set's Parquet file
    dataset_digest: str  # its SHA-256
    feature_service: str
    watermark: str  # everything recorded before it was known, ISO 8601
    code_version: str
    dag_run_id: str = ""
    parity: Certificate | None = None  # that serving sees what was trained on


@dataclass(frozen=True)
class RegisteredVersion:
    """A version in the registry."""

    name: str
    version: str
    run_id: str
    experiment_id: str
    alias: str


def register(trained: TrainedModel, origin: Origin, uri: str) -> RegisteredVersion:
    """Log a run with everything about the model and register it with the alias `challenger`.

    The experiment and the registered model have the model's name. The alias moves last, so
    whoever follows it finds a complete version. A model that does not beat its baseline is
    registered too, with the tag `beats_baseline` false.

    Args:
        trained: the model.
        origin: dataset, feature service, watermark and code it was made from.
        uri: address of the MLflow server.

    Raises:
        RegistryError: the server cannot be reached or refuses.
    """
    name = trained.model.value
    tags = _tags(trained, origin)
    client = registry_client(uri)
    with connected(uri), tempfile.TemporaryDirectory() as scratch:
        experiment_id = _experiment(client, name)
        with mlflow.start_run(
            experiment_id=experiment_id,
            run_name=f"{name} as of {origin.watermark[:10]}",
            description=shortened(trained.card),
            log_system_metrics=False,
        ) as run:
            run_id = str(run.info.run_id)
            client.log_batch(
                run_id,
                params=[Param(key, str(value)) for key, value in trained.params.items()],
                tags=[RunTag(key, value) for key, value in tags.items()],
            )
            mlflow.log_input(_dataset(trained, origin), context="training")
            folder = _write_artifacts(trained, origin, Path(scratch) / "run")
            mlflow.log_artifacts(str(folder))
            predictor = Path(scratch) / PREDICTOR_ARTIFACT
            trained.predictor.save(predictor)
            sample = trained.sample_input
            write_sample(predictor, sample, trained.predictor.predict(sample))
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(_CODE),
                artifacts={PREDICTOR_ARTIFACT: str(predictor)},
                signature=signature(trained),
                input_example=trained.sample_input,
                model_config={"model": name},
                pip_requirements=[f"{package}=={version(package)}" for package in _REQUIREMENTS],
                metadata=tags,
            )
            # After the model, and with its id: MLflow would otherwise ask for each metric's
            # history, one request each, to copy it to the model.
            client.log_batch(
                run_id, metrics=_metrics(trained, run.info.start_time, str(info.model_id))
            )
            _log_trials(client, trained, experiment_id, run_id)
        _make_registered_model(client, name)
        number = str(
            client.create_model_version(
                name,
                source=info.model_uri,
                run_id=run_id,
                tags=tags,
                description=shortened(trained.card),
                model_id=info.model_id,
            ).version
        )
        client.set_registered_model_alias(name, Alias.CHALLENGER.value, number)
    return RegisteredVersion(name, number, run_id, experiment_id, Alias.CHALLENGER.value)


def _log_trials(
    client: MlflowClient, trained: TrainedModel, experiment_id: str, parent: str
) -> None:
    """Log what was tried as nested runs, which MLflow shows below their parent."""
    facts = trained.predictor.facts
    for number, tried in enumerate(facts.get("tried", ())):
        settings = {name: value for name, value in tried.items() if name not in _OUTCOMES}
        names = [str(settings[name]) for name in _NAMING if name in settings]
        what = ", ".join(names or (f"{name} {value}" for name, value in settings.items()))
        run = client.create_run(
            experiment_id,
            run_name=f"trial {number}: {what}",
            tags={MLFLOW_PARENT_RUN_ID: parent},
        )
        outcomes = {
            f"validation_{facts['validation_measure']}": tried["reached"],
            "blend_weight": tried["weight"],
        }
        client.log_batch(
            run.info.run_id,
            params=[Param(name, str(value)) for name, value in settings.items()],
            metrics=[
                Metric(name, value, run.info.start_time, 0) for name, value in outcomes.items()
            ],
        )
        client.set_terminated(run.info.run_id)


def shortened(card: str) -> str:
    """Return as many whole lines of a card as a version's description may have."""
    if len(card) <= _DESCRIPTION_LENGTH:
        return card
    return card[: _DESCRIPTION_LENGTH - len(_REST)].rpartition("\n")[0] + _REST


def signature(trained: TrainedModel) -> ModelSignature:
    """Describe inputs and outputs; every input may be missing a value, as new keys are cold."""
    answers = trained.predictor.predict(trained.sample_input)
    return ModelSignature(
        inputs=_schema(trained.sample_input),
        outputs=Schema([ColSpec(_answer_type(answers[name]), str(name)) for name in answers]),
    )


def _schema(frame: pd.DataFrame) -> Schema:
    return Schema(
        [ColSpec(_data_type(frame[name]), str(name), required=False) for name in frame.columns]
    )


def _data_type(values: pd.Series) -> DataType | AnyType:
    # A count is int64 in one frame and, where a key is cold, float64 in the next; times carry
    # a zone. MLflow's own number and time types refuse one or the other.
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        return AnyType()  # type: ignore[no-untyped-call]
    return DataType.string


def _answer_type(values: pd.Series) -> DataType:
    if pd.api.types.is_float_dtype(values):
        return DataType.double
    return DataType.long if pd.api.types.is_integer_dtype(values) else DataType.string


def _experiment(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:  # another process made it in between
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _make_registered_model(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as err:
        if err.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _metrics(trained: TrainedModel, timestamp: int, model_id: str) -> list[Metric]:
    groups: dict[str, Metrics] = {"": trained.metrics, "validation_": trained.validation_metrics}
    groups |= {f"baseline_{name}_": of for name, of in trained.baseline_metrics.items()}
    return [
        Metric(f"{prefix}{name}", value, timestamp, 0, model_id=model_id)
        for prefix, metrics in groups.items()
        for name, value in metrics.items()
        if value is not None
    ]


def _tags(trained: TrainedModel, origin: Origin) -> dict[str, str]:
    facts, parity = trained.predictor.facts, origin.parity
    return {
        "feature_service": origin.feature_service,
        "watermark": origin.watermark,
        "code_version": origin.code_version,
        "dag_run_id": origin.dag_run_id,
        "dataset_url": origin.dataset_url,
        "dataset_digest": origin.dataset_digest,
        "parity_sha256": parity.sha256 if parity else "",
        "parity_watermark": parity.watermark if parity else "",
        "late_rule": str(facts["late_rule"]),
        "beats_baseline": str(facts["beats_baseline"]).lower(),
        "train_period": f"{facts['train_start']} to {facts['test_start']}",
        "test_period": f"{facts['test_start']} to {facts['test_end']}",
    }


def _dataset(trained: TrainedModel, origin: Origin) -> MetaDataset:
    with warnings.catch_warnings():
        # Two of MLflow's classes read local paths; it says so and takes the first.
        warnings.simplefilter("ignore")
        source = resolve_dataset_source(origin.dataset_url)
    return MetaDataset(  # type: ignore[abstract]  # its class declares `profile` abstract
        source=source,
        name=f"{trained.model.value}_training_set",
        digest=origin.dataset_digest[:_DIGEST_LENGTH],
        schema=_schema(trained.sample_input),
    )


def _write_artifacts(trained: TrainedModel, origin: Origin, folder: Path) -> Path:
    """Write card, figures, segments, test predictions and certificate; return their folder."""
    (folder / "figures").mkdir(parents=True)
    (folder / "segments").mkdir()
    (folder / "model_card.md").write_text(trained.card, encoding="utf-8")
    for name, figure in trained.figures.items():
        figure.savefig(folder / "figures" / f"{name}.png")
    for name, table in trained.segments.items():
        table.to_csv(folder / "segments" / f"{name}.csv", index=False)
    trained.test_predictions.to_parquet(folder / "test_predictions.parquet", index=False)
    if origin.parity is not None:
        (folder / PARITY_ARTIFACT).write_text(origin.parity.text, encoding="utf-8")
    return folder
