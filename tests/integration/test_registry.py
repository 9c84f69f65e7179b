"""The registry against a real MLflow server on a real PostgreSQL."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock
from uuid import uuid4

import httpx
import mlflow
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from mlflow.tracking import MlflowClient
from sqlalchemy import URL, Engine, text

from pipelines.contracts import WORKFLOW_MODELS, Alias, Model
from pipelines.errors import NotFoundError, RegistryError
from pipelines.learning.train import train
from pipelines.learning.trained import TrainedModel
from pipelines.learning.training_set import TrainingSet
from pipelines.registry.kept import KeptVersion
from pipelines.registry.load import load_alias, load_champion, load_kept, load_version
from pipelines.registry.log import PARITY_ARTIFACT, Origin, RegisteredVersion, register
from pipelines.registry.promote import alias_version, alias_versions, promote, refuse, roll_back
from pipelines.store.certificate import Certificate
from serving.registry import MlflowRegistry
from tests.learning.history import make_training_set

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

NAME = Model.REMAINING_TIME.value
LONG_CARD = "".join(f"line {number}\n" for number in range(2_000))


@pytest.fixture(scope="module")
def training_set() -> TrainingSet:
    return make_training_set()


@pytest.fixture(scope="module")
def trained(training_set: TrainingSet) -> dict[Model, TrainedModel]:
    return {model: train(model, training_set, seed=7, trial_count=7) for model in WORKFLOW_MODELS}


@pytest.fixture(scope="module")
def mlflow_uri(
    postgres_url: URL, postgres_admin: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    database = f"mlflow_{uuid4().hex}"
    with postgres_admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'CREATE DATABASE "{database}"'))
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = postgres_url.set(database=database).render_as_string(hide_password=False)
    log = (folder / "server.log").open("wb")
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"),
            *("--port", str(port), "--workers", "1", "--serve-artifacts"),
            *("--backend-store-uri", url, "--artifacts-destination", str(folder / "artifacts")),
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        },
    )
    uri = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(uri, server, folder / "server.log")
        yield uri
    finally:
        os.killpg(server.pid, 15)
        server.wait(20)
        log.close()


def _wait_until_healthy(uri: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(600):
        if server.poll() is not None:
            break
        try:
            if httpx.get(f"{uri}/health", timeout=1).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    pytest.fail(f"MLflow did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def origin(training_set: TrainingSet, tmp_path_factory: pytest.TempPathFactory) -> Origin:
    path = tmp_path_factory.mktemp("training") / f"{'ab' * 32}.parquet"
    training_set.frame.to_parquet(path)
    parity = Certificate("2024-02-20T00:00:00+00:00", (), (), "cd" * 32, '{"views": []}')
    return Origin(str(path), "ab" * 32, NAME, "2024-02-20T00:00:00Z", "0.1.0+test", parity=parity)


@pytest.fixture(scope="module")
def versions(
    trained: dict[Model, TrainedModel], origin: Origin, mlflow_uri: str
) -> list[RegisteredVersion]:
    """Two versions of the same model; neither is champion yet. The second has a long card."""
    model = trained[Model.REMAINING_TIME]
    long = replace(model, card=LONG_CARD)
    return [register(one, origin, mlflow_uri) for one in (model, long)]


def test_a_card_longer_than_a_description_may_be_is_kept_whole_in_the_run(
    versions: list[RegisteredVersion], mlflow_uri: str
) -> None:
    client = MlflowClient(mlflow_uri, mlflow_uri)
    told = client.get_model_version(NAME, "2").description
    assert len(told) <= 5_000
    assert told.startswith("line 0\nline 1\n")
    assert told.endswith("(The rest is in `model_card.md` of the run.)")
    whole = client.download_artifacts(versions[1].run_id, "model_card.md")
    assert Path(whole).read_text() == LONG_CARD


def test_a_registered_version_tells_where_it_came_from(
    versions: list[RegisteredVersion],
    trained: dict[Model, TrainedModel],
    origin: Origin,
    mlflow_uri: str,
) -> None:
    client = MlflowClient(mlflow_uri, mlflow_uri)
    run = client.get_run(versions[0].run_id)
    model = trained[Model.REMAINING_TIME]

    assert [v.version for v in versions] == ["1", "2"]
    assert run.info.status == "FINISHED"
    assert run.data.metrics["mae_hours"] == pytest.approx(model.metrics["mae_hours"])
    assert run.data.metrics["baseline_median_mae_hours"] == pytest.approx(
        model.baseline_metrics["median"]["mae_hours"]
    )
    assert run.data.params["learner"] == model.params["learner"]
    (dataset,) = run.inputs.dataset_inputs
    assert dataset.dataset.digest == origin.dataset_digest[:36]
    assert origin.dataset_url in dataset.dataset.source
    tags = client.get_model_version(NAME, "1").tags
    assert tags["feature_service"] == NAME
    assert tags["watermark"] == origin.watermark
    assert tags["parity_sha256"] == run.data.tags["parity_sha256"] == "cd" * 32
    assert tags["parity_watermark"] == "2024-02-20T00:00:00+00:00"
    certificate = client.download_artifacts(run.info.run_id, PARITY_ARTIFACT)
    assert Path(certificate).read_text() == '{"views": []}'
    assert tags["late_rule"] == "due_date"
    assert tags["beats_baseline"] == "true"
    paths = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert {"model_card.md", "figures", "segments", "test_predictions.parquet"} <= paths
    assert {Path(item.path).stem for item in client.list_artifacts(run.info.run_id, "figures")} == (
        set(model.figures)
    )


def test_what_was_tried_is_nested_below_the_run(
    versions: list[RegisteredVersion], trained: dict[Model, TrainedModel], mlflow_uri: str
) -> None:
    client = MlflowClient(mlflow_uri, mlflow_uri)
    parent = versions[0]
    below = f"tags.`mlflow.parentRunId` = '{parent.run_id}'"
    runs = client.search_runs([parent.experiment_id], below)
    tried = trained[Model.REMAINING_TIME].predictor.facts["tried"]
    losses = sorted(run.data.metrics["validation_mae_hours"] for run in runs)
    assert losses == pytest.approx(sorted(one["reached"] for one in tried))
    assert len(runs) == len(tried) == 7
    assert {run.info.run_name for run in runs} == {
        f"trial {number}: {one['learner']}, {one['column_set']}" for number, one in enumerate(tried)
    }
    assert sum(run.data.metrics["blend_weight"] for run in runs) == pytest.approx(1)
    assert {run.data.params["learner"] for run in runs} == {"boosting and forest"}
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_nothing_in_a_version_is_pickled(
    versions: list[RegisteredVersion], mlflow_uri: str, tmp_path: Path
) -> None:
    mlflow.set_tracking_uri(mlflow_uri)
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}/1", dst_path=str(tmp_path)))
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    assert not [f for f in files if f.suffix in {".pkl", ".pickle", ".joblib", ".cloudpickle"}]
    assert {"spec.json", "p10-0.txt", "p50-0.txt", "p90-0.txt", "pyfunc_model.py"} <= {
        f.name for f in files
    }
    for path in files:
        if path.suffix == ".npy":
            np.load(path, allow_pickle=False)
        elif path.suffix == ".parquet":
            pq.read_table(path)
        else:
            path.read_text(encoding="utf-8")


def test_mlflow_and_the_predictor_give_the_same_numbers(
    versions: list[RegisteredVersion],
    trained: dict[Model, TrainedModel],
    training_set: TrainingSet,
    mlflow_uri: str,
    tmp_path: Path,
) -> None:
    promote(NAME, "1", "test", mlflow_uri)
    mlflow.set_tracking_uri(mlflow_uri)
    frame = training_set.frame.tail(200)
    expected = trained[Model.REMAINING_TIME].predictor.predict(frame)

    by_mlflow = mlflow.pyfunc.load_model(f"models:/{NAME}@champion").predict(frame)
    loaded = load_champion(NAME, mlflow_uri, tmp_path)

    pd.testing.assert_frame_equal(by_mlflow, expected)
    pd.testing.assert_frame_equal(loaded.predictor.predict(frame), expected)
    assert (loaded.version, loaded.alias, loaded.feature_service) == ("1", "champion", NAME)
    assert loaded.run_id == versions[0].run_id


def test_mlflow_takes_rows_whose_features_are_cold(
    versions: list[RegisteredVersion],
    trained: dict[Model, TrainedModel],
    mlflow_uri: str,
) -> None:
    mlflow.set_tracking_uri(mlflow_uri)
    model = trained[Model.REMAINING_TIME]
    cold = model.sample_input.copy()
    for column in cold.columns.drop("as_of"):
        cold[column] = pd.NaT if "datetime" in str(cold[column].dtype) else None
    cold["person_activity__last_completed_at"] = cold["as_of"].where(cold["as_of"].isna())
    cold["team_load__open_task_count"] = cold["team_load__open_task_count"].astype("float64")
    answer = mlflow.pyfunc.load_model(f"models:/{NAME}/1").predict(cold)
    pd.testing.assert_frame_equal(answer, model.predictor.predict(cold))


def test_the_champion_changes_and_changes_back(
    versions: list[RegisteredVersion], mlflow_uri: str
) -> None:
    promote(NAME, "1", "first", mlflow_uri)
    with pytest.raises(RegistryError, match="first champion"):
        roll_back(NAME, "no reason", mlflow_uri)

    done = promote(NAME, "2", "better", mlflow_uri)
    assert (done.version, done.previous_version) == ("2", "1")
    assert alias_version(NAME, Alias.CHAMPION, mlflow_uri) == "2"
    assert alias_version(NAME, Alias.CHALLENGER, mlflow_uri) is None
    assert promote(NAME, "2", "again", mlflow_uri) == done

    back = roll_back(NAME, "worse after all", mlflow_uri)
    assert (back.version, back.previous_version) == ("1", "2")
    assert alias_version(NAME, Alias.CHAMPION, mlflow_uri) == "1"
    tags = MlflowClient(mlflow_uri, mlflow_uri).get_model_version(NAME, "2").tags
    assert tags["decision"] == "rolled back: worse after all"


def test_a_refused_version_stays_challenger_with_the_reason(
    trained: dict[Model, TrainedModel], origin: Origin, mlflow_uri: str, tmp_path: Path
) -> None:
    name = Model.DELAY_RISK.value
    with pytest.raises(NotFoundError, match="has no champion of delay_risk"):
        load_champion(name, mlflow_uri, tmp_path)
    version = register(trained[Model.DELAY_RISK], origin, mlflow_uri)
    refuse(name, version.version, "worse than the base rate", mlflow_uri)

    assert load_alias(name, Alias.CHALLENGER, mlflow_uri, tmp_path).version == version.version
    tags = MlflowClient(mlflow_uri, mlflow_uri).get_model_version(name, version.version).tags
    assert tags["decision"] == "worse than the base rate"
    with pytest.raises(NotFoundError, match="has no champion of delay_risk"):
        load_champion(name, mlflow_uri, tmp_path)


def test_a_damaged_copy_is_named_and_fetched_again(
    versions: list[RegisteredVersion], mlflow_uri: str, tmp_path: Path
) -> None:
    load_version(NAME, "1", mlflow_uri, tmp_path)
    (copy,) = (tmp_path / NAME).iterdir()
    (copy / "p50-0.txt").unlink()
    with pytest.raises(RegistryError, match=r"Version 1 of remaining_time.*p50-0\.txt"):
        load_version(NAME, "1", mlflow_uri, tmp_path)
    assert load_version(NAME, "1", mlflow_uri, tmp_path).version == "1"


def test_an_unknown_version_is_not_found(mlflow_uri: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        load_version("nothing", "7", mlflow_uri, tmp_path)


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1:9"):
        load_champion(NAME, "http://127.0.0.1:9", tmp_path)


def test_a_version_brings_what_it_answered_to_some_rows(
    trained: dict[Model, TrainedModel],
    versions: list[RegisteredVersion],
    mlflow_uri: str,
    tmp_path: Path,
) -> None:
    loaded = load_version(NAME, versions[0].version, mlflow_uri, tmp_path)

    assert loaded.sample is not None
    expected = trained[Model.REMAINING_TIME].predictor.predict(loaded.sample.frame)
    pd.testing.assert_frame_equal(loaded.sample.answers, expected)
    kept = load_kept(NAME, KeptVersion(loaded.version, loaded.run_id), tmp_path)
    assert kept[0].predict(loaded.sample.frame).equals(expected)
    with pytest.raises(RegistryError, match="The copy of version 9"):
        load_kept(NAME, KeptVersion("9", "nobody"), tmp_path)


def test_aliases_are_told_together(
    versions: list[RegisteredVersion], mlflow_uri: str, tmp_path: Path
) -> None:
    client = MlflowClient(mlflow_uri)
    client.create_registered_model("somebody_elses")
    client.set_registered_model_alias(NAME, "monday", versions[0].version)
    client.set_registered_model_alias(NAME, Alias.CHALLENGER.value, versions[1].version)
    named = {
        alias: version
        for alias in Alias
        if (version := alias_version(NAME, alias, mlflow_uri)) is not None
    }
    assert named[Alias.CHALLENGER] == versions[1].version

    every = alias_versions(mlflow_uri)
    assert (every[NAME], every["somebody_elses"]) == (named, {})
    found = MlflowRegistry(mlflow_uri, tmp_path).aliases()
    assert found == {model: every.get(model.value, {}) for model in Model}


def test_the_server_knows_how_the_service_asks(mlflow_uri: str, tmp_path: Path) -> None:
    """A filter that it refuses is asked again by the client, which nobody would notice."""
    with mock.patch("serving.registry.alias_versions", side_effect=AssertionError):
        assert set(MlflowRegistry(mlflow_uri, tmp_path).aliases()) == set(Model)
