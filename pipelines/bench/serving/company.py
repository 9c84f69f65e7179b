"""The simulated company of the benchmark: stores of its own, a history, features, champions."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Final

from pipelines.bench.serving.programs import free_port, program_of, running
from pipelines.contracts import Model
from pipelines.errors import BenchmarkError
from pipelines.history.company import simulate_company
from pipelines.jobs.alerts import raise_alerts
from pipelines.jobs.extraction import extract_interval
from pipelines.jobs.features import compute_views, materialise_views
from pipelines.jobs.training_sets import feature_service, make_training_set
from pipelines.learning.methods import METHODS
from pipelines.platform import postgres
from pipelines.platform.issuer import ensure_issuer
from pipelines.platform.processes import POSTGRES, find_processes
from pipelines.platform.servers import MLFLOW, VALKEY
from pipelines.registry.log import Origin, register
from pipelines.registry.promote import promote
from pipelines.settings import Settings
from pipelines.source.connect import open_engine
from pipelines.source.imports import load_simulated
from pipelines.source.migrate import migrate
from pipelines.source.moments import past_moment
from pipelines.store.repo import apply
from pipelines.store.training_sets import save_training_set

Step = Callable[[str], None]
"""Told what begins."""

_KNOWN_SHARE: Final = 0.9  # of the events: the clock stands there
_LEARNED: Final = "learned"  # a file: the folder may be used again
_MOST_ROWS: Final = 20_000
_NOBODY: Final = "http://127.0.0.1:9"  # Airflow and Evidently are not needed


def company_settings(home: Path) -> Settings:
    """Return settings of a platform in a folder, on free ports, whatever the environment says."""
    return Settings(
        home=home,
        database_url=None,
        mlflow_database_url=None,
        feast_registry_url=None,
        valkey_url=None,
        mlflow_url=None,
        lake_url=None,
        artifacts_url=None,
        service_url=None,
        auth_issuer=None,
        auth_jwks_url=None,
        environment="development",
        airflow_url=_NOBODY,
        evidently_url=_NOBODY,
        valkey_port=free_port(),
        mlflow_port=free_port(),
        service_port=free_port(),
        rate_limit_per_minute=100_000_000,  # the load comes from one client
        _env_file=None,
    )


@contextmanager
def company(
    settings: Settings, task_count: int, step: Step, *, with_champions: bool = True
) -> Iterator[None]:
    """Run the stores and the registry; let the platform learn, unless the folder holds it all.

    Raises:
        WorkcastError: a server did not start, or a step of the learning failed.
        BenchmarkError: servers run in the folder already.
    """
    home = settings.home
    _refuse_used(home)
    for name in ("logs", "valkey", "bentoml", "mlflow/artifacts"):
        (home / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    data = home / POSTGRES
    postgres.prepare_cluster(data, settings.socket_dir)
    postgres.remove_stale_locks(data, settings.socket_dir)
    ensure_issuer(settings)
    with ExitStack() as stack:
        for name in (POSTGRES, VALKEY, MLFLOW):
            step(f"starting {name}")
            stack.enter_context(running(home, program_of(settings, name)))
            if name == POSTGRES:
                _databases(settings)
        if not (home / _LEARNED).exists():
            until = _build(settings, task_count, step)
            if with_champions:
                _learn(settings, until, step)
            (home / _LEARNED).touch()
        yield


def _refuse_used(home: Path) -> None:
    """Refuse a folder whose servers somebody else needs: they would be ended with ours."""
    used = {one.program: one.pid for one in find_processes(home)}
    if used:
        running_now = ", ".join(f"{name} as process {pid}" for name, pid in used.items())
        raise BenchmarkError(
            f"{home} is in use: {running_now}. Wait until that run has ended, end what it left "
            "behind, or name another folder."
        )


def _databases(settings: Settings) -> None:
    for url in (settings.database, settings.mlflow_database, settings.feast_registry):
        postgres.ensure_database(url)
    engine = open_engine(settings)
    try:
        migrate(engine)
    finally:
        engine.dispose()


def _build(settings: Settings, task_count: int, step: Step) -> datetime:
    """Do what the DAGs do up to the features, without what only watches over them."""
    step(f"simulating {task_count:,} tasks")
    engine = open_engine(settings)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            files = simulate_company(Path(scratch), task_count=task_count, seed=settings.seed)
            load_simulated(engine, files, "simulated company", lambda *_: None)
        until = past_moment(engine, _KNOWN_SHARE)
    finally:
        engine.dispose()
    step("building features")
    extract_interval(settings, None, until)
    compute_views(settings, until.isoformat(), from_scratch=True)
    apply(settings)
    materialise_views(settings, until.isoformat())
    return until


def _learn(settings: Settings, until: datetime, step: Step) -> None:
    """Make a champion of every model, as the training DAG does by default, and raise alerts."""
    for model in Model:
        step(f"training {model}")
        learned_from = make_training_set(settings, model, until, settings.seed, _MOST_ROWS)
        path = save_training_set(settings.lake, model, learned_from.frame)
        origin = Origin(
            dataset_url=path,
            dataset_digest=PurePosixPath(path).stem,
            feature_service=feature_service(model),
            watermark=until.isoformat(),
            code_version=version("workcast"),
        )
        trained = METHODS[model].train(
            learned_from, seed=settings.seed, trial_count=settings.train_trials
        )
        made = register(trained, origin, settings.mlflow)
        promote(model.value, made.version, "the benchmark's only version", settings.mlflow)
    step("raising alerts")
    raise_alerts(settings)
