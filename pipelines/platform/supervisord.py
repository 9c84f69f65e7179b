"""Speak with supervisord: write its configuration, start it, ask it, end it.

supervisord does the supervising. Its XML-RPC interface listens on a unix socket that only
the owner may open. What each program is lies in `programs.json`, read by `launch`: values
with quotes, percent signs and secrets need no escaping there, and stay out of `ps`.
"""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from xmlrpc.client import Error as XmlRpcError
from xmlrpc.client import ServerProxy

import psutil
from supervisor.xmlrpc import SupervisorTransport

from pipelines.errors import PlatformError
from pipelines.platform.launch import starts_file
from pipelines.platform.logs import log_tail
from pipelines.platform.processes import (
    PlatformProcess,
    alive_after,
    inherited_environment,
)
from pipelines.platform.programs import Program

NAME: Final = "supervisord"

_START_WAIT_S: Final = 15.0
# supervisord binds "<socket>.<pid>" first, and a unix socket's path may have 107 bytes.
_SOCKET_NAME: Final = "sv.sock"
_LOG_LIMITS: Final = {"maxbytes": "5MB", "backups": "3"}


@dataclass(frozen=True)
class ProcessState:
    """What supervisord says of one program."""

    name: str
    state: str  # STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL, UNKNOWN
    pid: int | None
    started_at: datetime | None  # of the process that runs now
    restart_count: int
    spawn_error: str


class Supervisord:
    """The supervisord of one home; it need not run.

    Methods that ask it raise PlatformError when it does not answer.
    """

    def __init__(self, home: Path, socket_dir: Path) -> None:
        self.home = home
        self.socket = socket_dir / _SOCKET_NAME
        self.folder = home / "supervisor"
        self.programs_file = self.folder / "programs.json"
        self.configuration = self.folder / "supervisord.conf"
        self.log = home / "logs" / f"{NAME}.log"

    def pid(self) -> int | None:
        """Return supervisord's process id, or None when nobody answers on its socket."""
        try:
            return int(self._ask("getPID"))
        except PlatformError:
            return None

    def is_current(self, programs: Sequence[Program], root: Path) -> bool:
        """Tell whether the files on disk describe these programs."""
        with suppress(OSError):
            written = self.programs_file.read_text(), self.configuration.read_text()
            return written == self._render(programs, root)
        return False

    def write_files(self, programs: Sequence[Program], root: Path) -> None:
        """Write what `start` and `launch` read, for nobody else's eyes."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        plan, configuration = self._render(programs, root)
        for path, text in ((self.programs_file, plan), (self.configuration, configuration)):
            path.touch(mode=0o600)
            path.chmod(0o600)
            path.write_text(text)

    def start(self) -> None:
        """Start supervisord in the background and wait until it answers.

        Raises:
            PlatformError: it ended or did not answer in time; holds the end of its log.
        """
        started = subprocess.run(  # noqa: S603  # our own interpreter
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(self.configuration)],
            env=inherited_environment(self.home, NAME),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _START_WAIT_S
        while started.returncode == 0 and time.monotonic() < deadline:
            if self.pid() is not None:
                return
            time.sleep(0.05)
        said = (started.stderr or started.stdout).strip()
        raise PlatformError(f"supervisord did not start. {said}\n{log_tail(self.log)}")

    def start_program(self, name: str) -> None:
        """Start a program if it does not run; forget how often it was restarted before."""
        if self.state(name).state in {"RUNNING", "STARTING", "BACKOFF"}:
            return
        starts_file(self.home, name).unlink(missing_ok=True)
        self._ask("startProcess", name, False)  # noqa: FBT003  # XML-RPC has no keywords

    def stop_programs(self, names: Sequence[str], wait_s: float) -> None:
        """Stop programs side by side, each with its own signal, and wait until all have stopped."""
        for name in names:
            with suppress(PlatformError):  # it did not run
                self._ask("stopProcess", name, False)  # noqa: FBT003
        deadline = time.monotonic() + wait_s
        ended = {"STOPPED", "EXITED", "FATAL", "UNKNOWN"}
        while time.monotonic() < deadline:
            states = {each.name: each.state for each in self.states()}
            if all(states.get(name, "STOPPED") in ended for name in names):
                return
            time.sleep(0.1)

    def states(self) -> list[ProcessState]:
        """Return the state of every program."""
        return [self._state(info) for info in self._ask("getAllProcessInfo")]

    def state(self, name: str) -> ProcessState:
        """Return the state of one program."""
        return self._state(self._ask("getProcessInfo", name))

    def shut_down(self, wait_s: float) -> None:
        """End supervisord itself and wait until it is gone."""
        pid = self.pid()
        if pid is None:
            return
        with suppress(psutil.NoSuchProcess):
            process = PlatformProcess(psutil.Process(pid), NAME)
            self._ask("shutdown")
            alive_after([process], wait_s)

    def _ask(self, method: str, *arguments: object) -> Any:
        transport = SupervisorTransport(serverurl=f"unix://{self.socket}")
        try:
            with ServerProxy("http://supervisord", transport=transport) as server:
                return getattr(server.supervisor, method)(*arguments)
        except (OSError, HTTPException, XmlRpcError) as err:
            raise PlatformError(
                f"supervisord of {self.home} refused or did not answer {method}{arguments}: {err}. "
                "`workcast up` starts it anew."
            ) from err

    def _state(self, info: dict[str, Any]) -> ProcessState:
        name = str(info["name"])
        try:
            start_count = len(starts_file(self.home, name).read_text().splitlines())
        except FileNotFoundError:
            start_count = 0
        started_at = datetime.fromtimestamp(int(info["start"]), UTC) if info["pid"] else None
        return ProcessState(
            name=name,
            state=str(info["statename"]),
            pid=int(info["pid"]) or None,
            started_at=started_at,
            restart_count=max(0, start_count - 1),
            spawn_error=str(info["spawnerr"]),
        )

    def _render(self, programs: Sequence[Program], root: Path) -> tuple[str, str]:
        """Return the text of programs.json and of supervisord.conf."""
        plan = {
            "home": str(self.home),
            "programs": {
                each.name: {
                    "command": list(each.command),
                    "environment": dict(each.environment),
                    "user": each.user,
                }
                for each in programs
            },
        }
        plan_text = json.dumps(plan, indent=1, sort_keys=True)
        sections = {
            "unix_http_server": {"file": _literal(self.socket), "chmod": "0600"},
            "rpcinterface:supervisor": {
                "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
            },
            NAME: {
                "logfile": _literal(self.log),
                "pidfile": _literal(self.folder / "supervisord.pid"),
                "childlogdir": _literal(self.log.parent),
                "directory": _literal(root),
                "identifier": "workcast",
                "silent": "true",
                **({"user": "root"} if os.geteuid() == 0 else {}),
                **{f"logfile_{key}": value for key, value in _LOG_LIMITS.items()},
            },
            **{f"program:{each.name}": self._section(each, root) for each in programs},
        }
        lines = ["; Written by `workcast up`; changes are lost."]
        for name, options in sections.items():
            lines.append(f"\n[{name}]")
            lines.extend(f"{key} = {value}" for key, value in options.items())
        return plan_text, "\n".join(lines) + "\n"

    def _section(self, program: Program, root: Path) -> dict[str, str]:
        launcher = [sys.executable, "-m", "pipelines.platform.launch"]
        command = shlex.join([*launcher, str(self.programs_file), program.name])
        return {
            "command": _literal(command),
            "directory": _literal(root),
            "priority": str(program.priority),
            "autostart": "false",
            "autorestart": "true",
            "startsecs": "2",
            "startretries": "3",
            "stopsignal": program.stop_signal,
            "stopwaitsecs": str(program.stop_wait_s),
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": _literal(program.log),
            **{f"stdout_logfile_{key}": value for key, value in _LOG_LIMITS.items()},
        }


def _literal(value: object) -> str:
    """Escape what supervisord would expand."""
    return str(value).replace("%", "%%")
