"""Start and end the servers of the benchmark, each with a log of its own, on loopback only."""

import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pipelines.errors import BenchmarkError
from pipelines.platform.logs import log_tail
from pipelines.platform.processes import end_processes, find_processes, inherited_environment
from pipelines.platform.programs import Layout, Program
from pipelines.platform.servers import SERVICE, plan_programs
from pipelines.settings import Settings

_POLL_S: Final = 0.1
_BARE: Final = "bare"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(home: Path, program: Program, directory: Path | None = None) -> Iterator[int]:
    """Run a program until the block ends; the block gets its process id, once it is healthy.

    Raises:
        BenchmarkError: it ended, or is not healthy in time; with the end of its log.
    """
    program.log.parent.mkdir(parents=True, exist_ok=True)
    user = program.user
    started_at = datetime.now(UTC)
    with program.log.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own programs
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=directory or Layout().root,
            env={**inherited_environment(home, program.name), **program.environment},
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else [],
        )
    try:
        _wait(program, process, started_at)
        yield process.pid
    finally:
        process.send_signal(signal.Signals[f"SIG{program.stop_signal}"])
        try:
            process.wait(program.stop_wait_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        end_processes(find_processes(home, program.name), wait_s=5)


def program_of(settings: Settings, name: str) -> Program:
    """Return one program of the platform."""
    return next(one for one in plan_programs(settings, Layout()) if one.name == name)


def service_program(settings: Settings, workers: int, cache_ttl_s: int) -> Program:
    """Return the service's program with so many workers; 0 s keep no answer."""
    program = program_of(settings, SERVICE)
    changed = {
        "WORKCAST_CACHE_TTL_S": str(cache_ttl_s),
        "BENTOML_CONFIG_OPTIONS": f"services.workcast.workers={workers}",
    }
    return replace(program, environment={**program.environment, **changed})


@contextmanager
def bare_server(settings: Settings, folder: Path, workers: int) -> Iterator[int]:
    """Run the bare server on the boosters of a folder; the block gets its port.

    Raises:
        BenchmarkError: see `running`.
    """
    port = free_port()
    program = Program(
        name=_BARE,
        command=(
            *(sys.executable, "-m", "uvicorn", "pipelines.bench.serving.bare:create_app"),
            *("--factory", "--host", "127.0.0.1", "--port", str(port)),
            *("--workers", str(workers), "--no-access-log", "--log-level", "warning"),
        ),
        log=settings.home / "logs" / "bare.log",
        address=f"http://127.0.0.1:{port}",
        health=lambda _: None if _listens(port) else "nobody listens",
        environment={"PYTHONPATH": str(Layout().root)},
    )
    with running(settings.home, program, directory=folder):
        yield port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(program: Program, process: "subprocess.Popen[bytes]", started_at: datetime) -> None:
    deadline = time.monotonic() + program.start_wait_s
    while (missing := program.health(started_at)) is not None:
        if process.poll() is not None:
            missing = f"it ended with status {process.returncode}"
        elif time.monotonic() < deadline:
            time.sleep(_POLL_S)
            continue
        raise BenchmarkError(f"{program.name} did not start: {missing}.\n{log_tail(program.log)}")
