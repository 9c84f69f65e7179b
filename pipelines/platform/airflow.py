"""Airflow's configuration file and metadata database, without importing Airflow.

Everything Airflow must know stands in `airflow.cfg`, readable by its owner only; the programs
get no more than AIRFLOW_HOME. Heartbeats and sweeps are shortened from the defaults so that
on one machine a DAG starts within seconds of its asset event, and so that DAG tasks of a
killed scheduler are taken up again within half a minute rather than five.
"""

import json
import subprocess
import sys
from configparser import RawConfigParser
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import psycopg
from sqlalchemy import URL

from pipelines.errors import PlatformError
from pipelines.platform.credentials import AIRFLOW_USER, Credentials, write_private
from pipelines.platform.logs import log_tail
from pipelines.platform.processes import inherited_environment
from pipelines.settings import Settings
from pipelines.source.connect import connect

MIGRATION: Final = "airflow-migrate"
MIGRATION_WAIT_S: Final = 300

_TASK_API_WAIT_S: Final = 120

# Feast keeps features in the first database of the same Valkey.
_CELERY_VALKEY_DATABASE: Final = 1


def airflow_home(home: Path) -> Path:
    """Return AIRFLOW_HOME of the platform at `home`."""
    return home / "airflow"


def write_configuration(settings: Settings, credentials: Credentials, dags_folder: Path) -> bool:
    """Write `airflow.cfg` and the password file; tell whether they said something else before."""
    folder = airflow_home(settings.home)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    parser = RawConfigParser()
    for section, options in _options(settings, credentials, dags_folder).items():
        # Airflow interpolates: a percent sign of a URL must be doubled.
        parser[section] = {key: str(value).replace("%", "%%") for key, value in options.items()}
    text = StringIO()
    parser.write(text)
    files = {
        folder / "airflow.cfg": text.getvalue(),
        _passwords_file(folder): json.dumps({AIRFLOW_USER: credentials.airflow_password}),
    }
    stale = [path for path, new in files.items() if not path.exists() or path.read_text() != new]
    for path in stale:
        write_private(path, files[path])
    return bool(stale)


def migrate(settings: Settings, environment: dict[str, str], root: Path) -> None:
    """Bring the metadata database to the installed Airflow's schema, where it is not there yet.

    The command takes seconds even if there is nothing to do, so the last result is noted
    (Airflow's version and the revision it left) and compared with the database first.

    Raises:
        PlatformError: `airflow db migrate` failed or took too long; holds the end of its log.
    """
    database = settings.airflow_database
    stamp_file = airflow_home(settings.home) / "migrated.json"
    if stamp_file.exists() and json.loads(stamp_file.read_text()) == _stamp(database):
        return
    log = settings.home / "logs" / f"{MIGRATION}.log"
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    with log.open("w") as output:
        try:
            subprocess.run(  # noqa: S603  # our own interpreter
                command,
                env={**inherited_environment(settings.home, MIGRATION), **environment},
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=MIGRATION_WAIT_S,
                check=True,
            )
        except subprocess.SubprocessError as err:
            raise PlatformError(
                f"Airflow's database could not be migrated: {err}\n{log_tail(log)}"
            ) from err
    write_private(stamp_file, json.dumps(_stamp(database)))


def warm_task_api(url: str) -> None:
    """Have the API server build the part of it that DAG tasks speak to.

    It does so on the first request, standing still for seconds meanwhile: DAG tasks, which
    give up sooner, should not be the first to ask.
    """
    try:
        httpx.get(f"{url}/execution/health", timeout=_TASK_API_WAIT_S, trust_env=False)
    except httpx.HTTPError as err:
        raise PlatformError(
            f"Airflow's API server does not answer its DAG tasks: {url}/execution/health: {err}"
        ) from err


def _stamp(database: URL) -> dict[str, str | None]:
    """Return the installed Airflow's version and the revision its database is at."""
    try:
        with connect(database) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.errors.UndefinedTable:
        row = None
    return {"airflow": version("apache-airflow-core"), "revision": row[0] if row else None}


def _passwords_file(folder: Path) -> Path:
    return folder / "passwords.json"


def _options(
    settings: Settings, credentials: Credentials, dags_folder: Path
) -> dict[str, dict[str, object]]:
    folder = airflow_home(settings.home)
    database = settings.airflow_database
    return {
        "core": {
            "dags_folder": dags_folder,
            "executor": settings.airflow_executor,
            "parallelism": settings.airflow_parallelism,
            "load_examples": False,
            "dags_are_paused_at_creation": False,
            "auth_manager": (
                "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
            ),
            "simple_auth_manager_users": f"{AIRFLOW_USER}:admin",
            "simple_auth_manager_passwords_file": _passwords_file(folder),
            "fernet_key": credentials.fernet_key,
            "execution_api_server_url": f"{settings.airflow}/execution/",
            "min_serialized_dag_update_interval": 5,
            # Of a name server that does not answer, getfqdn would wait for.
            "hostname_callable": "socket.gethostname",
        },
        "database": {
            "sql_alchemy_conn": database.render_as_string(hide_password=False),
            "sql_alchemy_conn_async": database.set(
                drivername="postgresql+psycopg_async"
            ).render_as_string(hide_password=False),
            "sql_alchemy_pool_size": 3,
            "sql_alchemy_max_overflow": 7,
        },
        "api": {
            # Where servers know it by another name than people, its own pages take the latter.
            **({} if settings.airflow_url else {"base_url": settings.airflow}),
            "host": settings.bind_host,
            "port": settings.airflow_port,
            "workers": 1,
            "secret_key": credentials.api_secret_key,
            "expose_config": False,
        },
        "api_auth": {"jwt_secret": credentials.jwt_secret, "jwt_issuer": "workcast"},
        "scheduler": {
            "job_heartbeat_sec": 5,
            "scheduler_heartbeat_sec": 2,
            "scheduler_idle_sleep_time": 0.5,
            "scheduler_health_check_threshold": 20,
            "orphaned_tasks_check_interval": 15,
            "task_instance_heartbeat_timeout": 90,
            "task_instance_heartbeat_timeout_detection_interval": 10,
            "enable_health_check": False,
            "catchup_by_default": False,
        },
        "dag_processor": {
            "parsing_processes": 2,
            "refresh_interval": 30,
            "min_file_process_interval": 60,
            "stale_dag_threshold": 60,
            "dag_bundle_storage_path": folder / "bundles",
        },
        "logging": {
            "base_log_folder": settings.home / "logs" / "airflow-tasks",
            "dag_processor_log_target": "stdout",
            "dag_processor_child_process_log_directory": settings.home / "logs" / "airflow-dags",
            "colored_console_log": False,
            "json_logs": settings.has_json_logs,
        },
        "metrics": {**_metrics(settings.statsd_address), "otel_on": False},
        **(_celery(settings) if settings.airflow_executor == "CeleryExecutor" else {}),
    }


def _metrics(statsd_address: str | None) -> dict[str, object]:
    if not statsd_address:
        return {"statsd_on": False}
    host, _, port = statsd_address.partition(":")
    return {"statsd_on": True, "statsd_host": host, "statsd_port": port, "statsd_prefix": "airflow"}


def _celery(settings: Settings) -> dict[str, dict[str, object]]:
    broker = urlsplit(settings.valkey)._replace(path=f"/{_CELERY_VALKEY_DATABASE}")
    results = settings.airflow_database.render_as_string(hide_password=False)
    return {
        "celery": {
            "broker_url": broker.geturl(),
            "result_backend": f"db+{results}",
            "worker_concurrency": settings.airflow_parallelism,
            "worker_umask": "0077",
        },
        # A DAG task that outlives this is handed out a second time: longer than any may take.
        "celery_broker_transport_options": {"visibility_timeout": 86_400},
    }
