"""Find and end the processes of one platform, whoever their parent is.

Every process of a platform carries two variables in its environment, which its children
inherit: the home it belongs to and the program it is part of. That is how leftovers of a
killed supervisor are told from anybody else's processes.
"""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

PLATFORM_VARIABLE: Final = "WORKCAST_PLATFORM"
PROGRAM_VARIABLE: Final = "WORKCAST_PROGRAM"
POSTGRES: Final = "postgres"  # its program, its executable and its folder in a home

_POLL_S: Final = 0.05
_KILL_WAIT_S: Final = 5.0


@dataclass(frozen=True)
class PlatformProcess:
    """A process of a platform and the program it is part of."""

    process: psutil.Process
    program: str

    @property
    def pid(self) -> int:
        """Process id."""
        return self.process.pid

    def is_alive(self) -> bool:
        """Tell whether it still runs; a zombie waiting for its parent does not."""
        try:
            return self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def find_processes(home: Path, program: str | None = None) -> list[PlatformProcess]:
    """List the processes of the platform at `home`, of one program where given.

    The asking process and its ancestors are left out, so that a command started from inside
    the platform does not find itself.
    """
    me = psutil.Process()
    own_line = {me.pid, *(parent.pid for parent in me.parents())}
    found = []
    for process in psutil.process_iter():
        if process.pid in own_line:
            continue
        name = _program_of(process, home)
        if name is not None and program in (None, name):
            found.append(PlatformProcess(process, name))
    return found


def end_processes(
    processes: Iterable[PlatformProcess],
    *,
    wait_s: float,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> int:
    """Ask processes to stop and kill those that have not after `wait_s`; return their number."""
    asked = list(processes)
    for each in asked:
        _send(each, stop_signal)
    for each in alive_after(asked, wait_s):
        _send(each, signal.SIGKILL)
    alive_after(asked, _KILL_WAIT_S)
    return len(asked)


def alive_after(processes: list[PlatformProcess], wait_s: float) -> list[PlatformProcess]:
    """Wait until all have ended, at most `wait_s`; return those that have not."""
    deadline = time.monotonic() + wait_s
    alive = [each for each in processes if each.is_alive()]
    while alive and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        alive = [each for each in alive if each.is_alive()]
    return alive


def family(pid: int) -> set[int]:
    """Return the ids of a process and all its descendants; empty when it is gone."""
    try:
        process = psutil.Process(pid)
        return {pid, *(child.pid for child in process.children(recursive=True))}
    except psutil.NoSuchProcess:
        return set()


def memory_bytes(pid: int) -> int:
    """Sum the proportional set sizes of a process and its descendants.

    Pages that processes share are divided among them, so the sums of programs add up.
    """
    total = 0
    for each in family(pid):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += int(psutil.Process(each).memory_full_info().pss)
    return total


def inherited_environment(home: Path, program: str) -> dict[str, str]:
    """Return this process's environment as a program of the platform may inherit it.

    Variables that configure Airflow are left out: somebody's shell that points at another
    metadata database must not redirect this one.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
    return {**environment, PLATFORM_VARIABLE: str(home), PROGRAM_VARIABLE: program}


def _program_of(process: psutil.Process, home: Path) -> str | None:
    """Return the program of this home that a process is part of, or None."""
    try:
        environment = process.environ()
        if environment.get(PLATFORM_VARIABLE) == str(home):
            return environment.get(PROGRAM_VARIABLE, "")
        # PostgreSQL's children write their title over the environment; they work in its folder.
        if process.name() == POSTGRES and process.cwd() == str(home / POSTGRES):
            return POSTGRES
    except (psutil.AccessDenied, psutil.NoSuchProcess, OSError):
        pass  # another user's, or gone since the list was made
    return None


def _send(each: PlatformProcess, which: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        each.process.send_signal(which)
