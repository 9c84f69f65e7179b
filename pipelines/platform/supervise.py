"""Bring the local platform up and down."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from sqlalchemy import create_engine

from pipelines.contracts import REGISTRY_EVENTS_PATH
from pipelines.errors import PlatformError
from pipelines.platform import airflow, postgres
from pipelines.platform.bring_up import Step, bring_up
from pipelines.platform.credentials import ensure_credentials
from pipelines.platform.issuer import ensure_issuer
from pipelines.platform.lock import alone
from pipelines.platform.ports import require_free_ports
from pipelines.platform.processes import (
    POSTGRES,
    end_processes,
    family,
    find_processes,
)
from pipelines.platform.programs import Layout, Program
from pipelines.platform.servers import (
    AIRFLOW_API_SERVER,
    AIRFLOW_STEP,
    DATABASES_STEP,
    MLFLOW,
    plan_external,
    plan_programs,
)
from pipelines.platform.status import LONG_AGO, ProgramStatus, status
from pipelines.platform.stop import end_leftovers, stop
from pipelines.platform.supervisord import Supervisord
from pipelines.settings import Settings
from pipelines.source.migrate import migrate

_LEFTOVER_WAIT_S: Final = 10
_WORKCAST_STEP: Final = "workcast-database"
_TASKS_STEP: Final = "airflow-task-api"
_EVENTS_STEP: Final = "registry-events"


@dataclass(frozen=True)
class UpReport:
    """What `up` found and did."""

    was_running: bool
    seconds: float
    programs: list[ProgramStatus]


def up(
    settings: Settings, *, layout: Layout | None = None, console: Console | None = None
) -> UpReport:
    """Start what does not run, wait until all is healthy, and report.

    On a running platform this only reports, unless the settings say something else than at its
    start: then it is stopped and started. Leftovers of a killed one are ended first. With
    `console`, a line for each program says what is being waited for.

    Raises:
        PlatformError: a port is taken, a program does not come up, an external server does not
            answer, or another `up` or `down` holds the lock for too long.
        SourceError: the tables of the source database cannot be migrated.
    """
    layout = layout or Layout()
    console = console or Console(quiet=True)
    begun = time.monotonic()
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone(settings.home, console):
        was_running = _supervise(settings, layout, console)
        return UpReport(was_running, time.monotonic() - begun, status(settings, layout=layout))


def down(settings: Settings, *, console: Console | None = None) -> int:
    """Stop everything, the servers before the stores; return how many programs were running.

    Works on a half dead platform too: what supervisord no longer knows is found by the marker
    in its environment. No process is left afterwards. With `console`, a bar shows how far.

    Raises:
        PlatformError: another `up` or `down` holds the lock for too long.
    """
    if not settings.home.exists():
        return 0
    console = console or Console(quiet=True)
    with alone(settings.home, console):
        return stop(settings, console)


def _supervise(settings: Settings, layout: Layout, console: Console) -> bool:
    """Do the work of `up`; tell whether supervisord ran already and could stay."""
    _require_external(settings)
    programs = plan_programs(settings, layout)
    _make_folders(settings)
    credentials = ensure_credentials(settings.home)
    if settings.is_own_issuer:
        ensure_issuer(settings)
    changed = airflow.write_configuration(settings, credentials, layout.dags_folder)
    server = Supervisord(settings.home, settings.socket_dir)
    pid = server.pid()
    if pid is not None and (changed or not server.is_current(programs, layout.root)):
        console.print("The settings have changed: restarting the platform.")
        stop(settings, console)
        pid = None
    running: set[str] = set()
    if pid is not None:
        own = family(pid)
        strays = [each for each in find_processes(settings.home) if each.pid not in own]
        end_processes(strays, wait_s=_LEFTOVER_WAIT_S)
        running = {each.name for each in server.states() if each.pid is not None}
    else:
        end_leftovers(settings.home)
    require_free_ports(
        settings.bind_host,
        [each.port for each in programs if each.port is not None and each.name not in running],
    )
    if settings.database_url is None and POSTGRES not in running:
        data = settings.home / POSTGRES
        postgres.prepare_cluster(data, settings.socket_dir)
        postgres.remove_stale_locks(data, settings.socket_dir)
    elif not settings.socket_dir.exists():  # supervisord's own socket lies there too
        postgres.private_folder(settings.socket_dir, None)
    if pid is None:
        server.write_files(programs, layout.root)
        server.start()
    bring_up(server, programs, _steps(settings, layout, programs), console)
    return len(running) == len(programs)


def _steps(settings: Settings, layout: Layout, programs: Sequence[Program]) -> list[Step]:
    """List what is to be done once PostgreSQL answers; each step is quick when it was done."""
    airflow_environment = next(
        dict(each.environment) for each in programs if "AIRFLOW_HOME" in each.environment
    )

    def make_databases() -> None:
        urls = (
            settings.database,
            settings.airflow_database,
            settings.mlflow_database,
            settings.feast_registry,
        )
        for url in dict.fromkeys(urls):
            postgres.ensure_database(url)

    def migrate_airflow() -> None:
        airflow.migrate(settings, airflow_environment, layout.root)

    def migrate_workcast() -> None:
        engine = create_engine(settings.database)
        try:
            migrate(engine)
        finally:
            engine.dispose()

    def send_alias_events() -> None:
        secret = settings.registry_events_secret
        if secret is not None:
            from pipelines.registry import events  # noqa: PLC0415 - MLflow, a second to import

            url = f"{settings.service}{REGISTRY_EVENTS_PATH}"
            events.send_alias_events(url, secret.get_secret_value(), settings.mlflow)

    embedded = (POSTGRES,) if settings.database_url is None else ()
    return [
        Step(DATABASES_STEP, embedded, make_databases),
        Step(AIRFLOW_STEP, (DATABASES_STEP,), migrate_airflow),
        Step(_WORKCAST_STEP, (DATABASES_STEP,), migrate_workcast),
        Step(_EVENTS_STEP, (MLFLOW,) if settings.mlflow_url is None else (), send_alias_events),
        Step(_TASKS_STEP, (AIRFLOW_API_SERVER,), lambda: airflow.warm_task_api(settings.airflow)),
    ]


def _make_folders(settings: Settings) -> None:
    settings.evidently_dir.mkdir(parents=True, exist_ok=True)
    for name in ("logs", "supervisor", "valkey", "bentoml", "mlflow/artifacts"):
        (settings.home / name).mkdir(mode=0o700, parents=True, exist_ok=True)


def _require_external(settings: Settings) -> None:
    for other in plan_external(settings):
        fault = other.health(LONG_AGO)
        # A database may be missing yet; `ensure_database` says more about its server.
        if fault is not None and other.name != POSTGRES:
            raise PlatformError(
                f"{other.name} at {other.address} does not answer: {fault}. Start it, or leave "
                f"WORKCAST_{other.name.upper()}_URL out to have one run here."
            )
