import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.platform.processes import (
    end_processes,
    family,
    find_processes,
    inherited_environment,
    memory_bytes,
)

SLEEP = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SLEEP
PARENT = (
    "import subprocess, sys, time;"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);" + SLEEP
)


@contextmanager
def running(code: str, home: Path, program: str) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=inherited_environment(home, program),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()  # it is past its start
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_processes_are_found_by_home_and_program(home: Path, tmp_path: Path) -> None:
    with (
        running(SLEEP, home, "one") as one,
        running(SLEEP, home, "two") as two,
        running(SLEEP, tmp_path, "one"),
    ):
        assert {(p.pid, p.program) for p in find_processes(home)} == {
            (one.pid, "one"),
            (two.pid, "two"),
        }
        assert [p.pid for p in find_processes(home, "two")] == [two.pid]


def test_children_are_found_too_when_their_parent_is_killed(home: Path) -> None:
    with running(PARENT, home, "one") as parent:
        assert len(family(parent.pid)) == 2
        parent.kill()
        parent.wait()
        (orphan,) = find_processes(home)
        assert end_processes([orphan], wait_s=5) == 1
        assert not orphan.is_alive()


def test_one_that_ignores_the_signal_is_killed(home: Path) -> None:
    with running(STUBBORN, home, "one") as process:
        begun = time.monotonic()
        assert end_processes(find_processes(home), wait_s=0.5) == 1
        assert 0.5 <= time.monotonic() - begun < 3
        assert process.wait() == -signal.SIGKILL


def test_the_asking_process_does_not_find_itself(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "from pathlib import Path; from pipelines.platform.processes import find_processes;"
        f"print(len(find_processes(Path({str(home)!r}))))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env=inherited_environment(home, "one"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "0"


def test_variables_that_configure_airflow_are_not_handed_on(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite://")
    monkeypatch.setenv("LANG", "C.UTF-8")
    environment = inherited_environment(home, "mlflow")
    assert not [name for name in environment if name.startswith("AIRFLOW")]
    assert environment["LANG"] == "C.UTF-8"


def test_memory_is_that_of_the_whole_family(home: Path) -> None:
    with running(PARENT, home, "one") as parent:
        alone = memory_bytes(parent.pid)
        for pid in family(parent.pid) - {parent.pid}:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)
        assert 1_000_000 < memory_bytes(parent.pid) < alone
    assert memory_bytes(parent.pid) == 0
