"""How long it takes to train every model anew, and to predict for many moments at once.

Each training is what a task of the DAG `train_models` does, in a process of its own: training set,
search, training, baselines, registration; the expectations alone are left out, which `pipelines`
does not know.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import pyarrow.parquet as pq

from pipelines.bench.measure import Progress, peak_mib
from pipelines.bench.serving.company import company, company_settings
from pipelines.contracts import WORKFLOW_MODELS, Model
from pipelines.errors import BenchmarkError, TrainingError
from pipelines.jobs.parity import certify_now
from pipelines.jobs.training import train_challenger
from pipelines.learning.predictor import Predictor
from pipelines.registry.load import load_version
from pipelines.settings import Settings
from pipelines.store.certificate import require_parity
from pipelines.store.frames import typed_frame

_ROUNDS: Final = 3


@dataclass(frozen=True)
class Training:
    """One model, trained while nothing else was; `version` is None where too little is known."""

    model: Model
    seconds: float
    peak_mib: float
    version: str | None


@dataclass(frozen=True)
class Retraining:
    """Every model one after the other, all of them some at a time, and what they predict."""

    trainings: Sequence[Training]
    together_s: float
    at_once: int
    prefix_count: int
    prediction_s: dict[Model, float]

    @property
    def one_by_one_s(self) -> float:
        """Seconds of all trainings together."""
        return sum(one.seconds for one in self.trainings)


def measure_retraining(
    task_count: int, trial_count: int | None, at_once: int, prefix_count: int, progress: Progress
) -> Retraining:
    """Make a company, learn its features, and train everything in each of both ways.

    Args:
        task_count: of the simulated company.
        trial_count: learners and hyper-parameters each training tries; None takes the setting.
        at_once: trainings at a time in the second way.
        prefix_count: moments predicted for, the rows of the training set over and over.
        progress: told what begins.

    Raises:
        WorkcastError: a server did not start, or a workflow's model could not be trained.
    """
    with tempfile.TemporaryDirectory(prefix="workcast-bench-") as folder:
        settings = company_settings(Path(folder))
        steps = len(Model) + len(WORKFLOW_MODELS) + 2
        with company(
            settings, task_count, lambda name: progress(name, 0, steps), with_champions=False
        ):
            require_parity(certify_now(settings))
            trainings = []
            for number, model in enumerate(Model):
                progress(f"training {model}", number + 1, steps)
                trainings.append(_alone(settings, model, trial_count))
            progress(f"training all, {at_once} at once", len(Model) + 1, steps)
            together_s = _together(settings, trial_count, at_once)
            predicted: dict[Model, float] = {}
            for number, one in enumerate(trainings):
                if one.model in WORKFLOW_MODELS:
                    progress(f"predicting {one.model}", len(Model) + 2 + number, steps)
                    predicted[one.model] = _predicting(settings, one, prefix_count)
    return Retraining(trainings, together_s, at_once, prefix_count, predicted)


def _alone(settings: Settings, model: Model, trial_count: int | None) -> Training:
    begun = time.perf_counter()
    with _processes(1) as pool:
        version, mib = pool.submit(_train, settings, model, trial_count).result()
    return Training(model, time.perf_counter() - begun, mib, version)


def _together(settings: Settings, trial_count: int | None, at_once: int) -> float:
    begun = time.perf_counter()
    with _processes(at_once) as pool:
        for future in [pool.submit(_train, settings, model, trial_count) for model in Model]:
            future.result()
    return time.perf_counter() - begun


def _processes(count: int) -> ProcessPoolExecutor:
    # As DAG tasks run: every one begins with an empty interpreter.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, mp_context=context, max_tasks_per_child=1)


def _train(settings: Settings, model: Model, trial_count: int | None) -> tuple[str | None, float]:
    import great_expectations as gx  # noqa: PLC0415 - of the training's own process

    nothing = gx.ExpectationSuite(name=f"bench_{model.value}")
    try:
        made = train_challenger(settings, model.value, nothing, trial_count=trial_count)
    except TrainingError:
        if model in WORKFLOW_MODELS:
            raise
        return None, peak_mib()
    return made.rpartition("/")[2], peak_mib()


def _predicting(settings: Settings, trained: Training, prefix_count: int) -> float:
    """Return the median seconds of predicting for so many moments."""
    loaded = load_version(
        trained.model.value, str(trained.version), settings.mlflow, settings.model_cache
    )
    if not isinstance(loaded.predictor, Predictor) or not loaded.dataset_url:
        raise BenchmarkError(f"Version {trained.version} of {trained.model} predicts no rows.")
    rows = typed_frame(pq.read_table(loaded.dataset_url))
    many = rows.iloc[[number % len(rows) for number in range(prefix_count)]].reset_index(drop=True)
    seconds = []
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        loaded.predictor.predict(many)
        seconds.append(time.perf_counter() - begun)
    return median(seconds)
