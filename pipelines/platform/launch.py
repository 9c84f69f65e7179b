"""Become one program of the platform: what supervisord runs in place of the program itself.

Started as `python -m pipelines.platform.launch PROGRAMS_FILE NAME`. Before it replaces itself
by the program it ends what a killed predecessor left behind (a child that still holds the port,
say), notes the start, and gives up root where the program must not have it.
"""

import json
import os
import pwd
import sys
from datetime import UTC, datetime
from pathlib import Path

from pipelines.platform.processes import end_processes, find_processes, inherited_environment

_LEFTOVER_WAIT_S = 5.0


def launch(programs_file: Path, name: str) -> None:
    """Replace this process by the program `name` of a file written by `supervisord.write_files`."""
    plan = json.loads(programs_file.read_text())
    program = plan["programs"][name]
    home = Path(plan["home"])
    end_processes(find_processes(home, name), wait_s=_LEFTOVER_WAIT_S)
    with starts_file(home, name).open("a") as starts:
        starts.write(f"{datetime.now(UTC).isoformat()} {os.getpid()}\n")
    environment = {**inherited_environment(home, name), **program["environment"]}
    if program["user"] is not None:
        _become(program["user"])
    command = program["command"]
    os.execvpe(command[0], command, environment)  # noqa: S606  # no shell is the point


def starts_file(home: Path, name: str) -> Path:
    """Return the file with one line (time, process id) for each start of a program."""
    return home / "supervisor" / f"{name}.starts"


def _become(user: str) -> None:
    """Give up root for good."""
    entry = pwd.getpwnam(user)
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


if __name__ == "__main__":
    launch(Path(sys.argv[1]), sys.argv[2])
