"""A home and small programs to supervise, so that a test starts no heavy server."""

import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from pipelines.platform.processes import end_processes, find_processes
from pipelines.platform.programs import Program
from pipelines.platform.supervisord import Supervisord

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home() -> Iterator[Path]:
    """A home directly below the temporary folder, so that its socket's path is short."""
    folder = Path(tempfile.mkdtemp(prefix="workcast-"))
    yield folder
    end_processes(find_processes(folder), wait_s=5)
    shutil.rmtree(folder)


@pytest.fixture
def server(home: Path) -> Supervisord:
    """The supervisord of `home`, not yet started."""
    run = home / "run"
    run.mkdir(mode=0o700)
    (home / "logs").mkdir()
    return Supervisord(home, run)


@pytest.fixture
def python_program(home: Path) -> Callable[..., Program]:
    """Make a program that runs a line of Python and is healthy at once."""

    def make(name: str, code: str, **changes: object) -> Program:
        fields: dict[str, object] = {
            "name": name,
            "command": (sys.executable, "-c", code),
            "log": home / "logs" / f"{name}.log",
            "address": name,
            "health": healthy,
            **changes,
        }
        return Program(**fields)  # type: ignore[arg-type]

    return make


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def healthy(started_at: datetime) -> str | None:
    return None
