import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.errors import PlatformError
from pipelines.platform.processes import find_processes
from pipelines.platform.programs import Program
from pipelines.platform.supervisord import ProcessState, Supervisord
from tests.platform.conftest import ROOT

MakeProgram = Callable[..., Program]
SLEEP = "import time; time.sleep(60)"


def wait_for(server: Supervisord, name: str, wanted: Callable[[ProcessState], bool]) -> None:
    deadline = time.monotonic() + 20
    while not wanted(server.state(name)):
        assert time.monotonic() < deadline, server.state(name)
        time.sleep(0.1)


def test_a_killed_program_is_started_again_and_counted(
    server: Supervisord, python_program: MakeProgram
) -> None:
    server.write_files([python_program("one", SLEEP)], ROOT)
    server.start()
    server.start_program("one")
    wait_for(server, "one", lambda state: state.state == "RUNNING" and state.restart_count == 0)
    for count in (1, 2):
        pid = server.state("one").pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_for(
            server,
            "one",
            lambda state, count=count, pid=pid: (  # type: ignore[misc]
                state.state == "RUNNING" and state.restart_count == count and state.pid != pid
            ),
        )
    server.stop_programs(["one"], 10)
    assert server.state("one").state == "STOPPED"
    server.start_program("one")
    wait_for(server, "one", lambda state: state.state == "RUNNING" and state.restart_count == 0)
    server.shut_down(10)
    assert server.pid() is None
    assert find_processes(server.home) == []


def test_what_a_killed_program_left_behind_is_ended_before_its_next_start(
    server: Supervisord, python_program: MakeProgram, free_port: int
) -> None:
    # The child holds the port, as the workers of several servers do.
    code = (
        "import os, socket, time;"
        f"s = socket.create_server(('127.0.0.1', {free_port}));"
        "os.fork() or time.sleep(60); time.sleep(60)"
    )
    server.write_files([python_program("one", code)], ROOT)
    server.start()
    server.start_program("one")
    wait_for(server, "one", lambda _: len(find_processes(server.home, "one")) == 2)
    first = {each.pid for each in find_processes(server.home, "one")}
    pid = server.state("one").pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(
        server,
        "one",
        lambda state: (
            state.restart_count == 1
            and len({each.pid for each in find_processes(server.home, "one")} - first) == 2
        ),
    )
    assert not {each.pid for each in find_processes(server.home, "one")} & first


def test_values_reach_the_program_as_they_are(
    server: Supervisord, python_program: MakeProgram
) -> None:
    value = """a "quoted" 100% ; # 'value', with %(ENV_HOME)s and $HOME"""
    code = "import os; open(os.environ['OUT'], 'w').write(os.environ['VALUE'])"
    out = server.home / "out put.txt"
    program = python_program(
        "one", f"{code}; {SLEEP}", environment={"OUT": str(out), "VALUE": value}
    )
    server.write_files([program], ROOT)
    server.start()
    server.start_program("one")
    wait_for(server, "one", lambda _: out.exists() and out.read_text() != "")
    assert out.read_text() == value


def test_files_are_private_and_secrets_stay_in_one(
    server: Supervisord, python_program: MakeProgram
) -> None:
    program = python_program("one", SLEEP, environment={"PASSWORD": "s3cret"})
    server.write_files([program], ROOT)
    assert server.programs_file.stat().st_mode & 0o777 == 0o600
    assert server.configuration.stat().st_mode & 0o777 == 0o600
    assert "s3cret" not in server.configuration.read_text()
    plan = json.loads(server.programs_file.read_text())
    assert plan["programs"]["one"]["environment"] == {"PASSWORD": "s3cret"}


def test_changed_programs_are_noticed(server: Supervisord, python_program: MakeProgram) -> None:
    one = python_program("one", SLEEP)
    assert not server.is_current([one], ROOT)
    server.write_files([one], ROOT)
    assert server.is_current([one], ROOT)
    assert not server.is_current([one, python_program("two", SLEEP)], ROOT)
    assert not server.is_current([python_program("one", "pass")], ROOT)


def test_the_socket_is_for_the_owner_only(server: Supervisord, python_program: MakeProgram) -> None:
    server.write_files([python_program("one", SLEEP)], ROOT)
    server.start()
    assert server.socket.stat().st_mode & 0o777 == 0o600


def test_a_stale_socket_and_pid_file_do_not_matter(
    server: Supervisord, python_program: MakeProgram
) -> None:
    server.write_files([python_program("one", SLEEP)], ROOT)
    server.start()
    first = server.pid()
    assert first is not None
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while server.pid() is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.socket.exists()
    server.start()
    assert server.pid() not in {None, first}


def test_a_silent_supervisord_is_a_clear_error(home: Path) -> None:
    with pytest.raises(PlatformError, match="`workcast up` starts it anew"):
        Supervisord(home, home / "run").states()
