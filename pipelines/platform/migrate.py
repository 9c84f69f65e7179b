"""Bring the databases of an installation to this version of the code: owners, tables, registry.

Run once before the servers of a new version start, by whatever starts them; safe to repeat, and
to run beside the servers of the version before.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

from rich.console import Console
from sqlalchemy import URL, create_engine, make_url

from pipelines.contracts import DASHBOARDS_SCHEMA
from pipelines.errors import PlatformError
from pipelines.platform import airflow
from pipelines.platform.environment import process_environment
from pipelines.platform.issuer import ensure_issuer
from pipelines.platform.owners import ensure_owned_database, ensure_reader
from pipelines.platform.postgres import ensure_database
from pipelines.platform.processes import inherited_environment
from pipelines.platform.programs import Layout
from pipelines.platform.role import configure_airflow
from pipelines.settings import Settings
from pipelines.source.migrate import migrate
from pipelines.store.repo import apply

_MLFLOW: Final = "mlflow-migrate"
_MLFLOW_WAIT_S: Final = 600
# As `mlflow db upgrade URL`, which would show the password to everybody who lists processes.
_UPGRADE: Final = (
    "import os; from mlflow.db import commands; "
    "commands(['upgrade', os.environ['MLFLOW_TRACKING_URI']])"
)


def migrate_all(settings: Settings, console: Console, layout: Layout | None = None) -> None:
    """Make what is missing and upgrade what is older, one after the other; say how long each took.

    Raises:
        WorkcastError: a step failed; those after it were not begun.
    """
    layout = layout or Layout()
    (settings.home / "logs").mkdir(parents=True, exist_ok=True)
    steps: dict[str, Callable[[], None]] = {
        "databases": lambda: _databases(settings),
        "source and platform tables": lambda: _workcast(settings),
        "dashboards": lambda: _dashboards(settings),
        "Airflow": lambda: _airflow(settings, layout),
        "MLflow": lambda: _mlflow(settings, layout),
        "feature registry": lambda: _features(settings),
        "development issuer": lambda: _issuer(settings),
    }
    for name, step in steps.items():
        begun = time.monotonic()
        step()
        console.print(f"✓ {name:<28} {time.monotonic() - begun:4.0f} s")


def _databases(settings: Settings) -> None:
    urls = (
        settings.database,
        settings.airflow_database,
        settings.mlflow_database,
        settings.feast_registry,
    )
    admin = _admin(settings)
    for url in dict.fromkeys(urls):
        if admin is None:
            ensure_database(url)
        else:
            ensure_owned_database(admin, url)


def _admin(settings: Settings) -> URL | None:
    url = settings.admin_database_url
    return None if url is None else make_url(url.get_secret_value())


def _workcast(settings: Settings) -> None:
    engine = create_engine(settings.database)
    try:
        migrate(engine)
    finally:
        engine.dispose()


def _dashboards(settings: Settings) -> None:
    """Let who draws dashboards read, where somebody does."""
    if settings.dashboards_database_url is None:
        return
    reader = make_url(settings.dashboards_database_url.get_secret_value())
    ensure_reader(_admin(settings), settings.database, reader, DASHBOARDS_SCHEMA)


def _airflow(settings: Settings, layout: Layout) -> None:
    configure_airflow(settings, layout)
    environment = {
        **process_environment(settings, layout),
        "AIRFLOW_HOME": str(airflow.airflow_home(settings.home)),
    }
    airflow.migrate(settings, environment, layout.root)


def _mlflow(settings: Settings, layout: Layout) -> None:
    """Upgrade MLflow's tables, or make them."""
    environment = {
        **inherited_environment(settings.home, _MLFLOW),
        **process_environment(settings, layout),
        "MLFLOW_TRACKING_URI": settings.mlflow_database.render_as_string(hide_password=False),
    }
    done = subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", _UPGRADE],
        env=environment,
        cwd=layout.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_MLFLOW_WAIT_S,
        check=False,
    )
    if done.returncode:
        raise PlatformError(f"MLflow's database could not be migrated:\n{done.stdout[-3_000:]}")


def _features(settings: Settings) -> None:
    apply(settings)


def _issuer(settings: Settings) -> None:
    if settings.auth_issuer is None and settings.environment == "development":
        ensure_issuer(settings)
