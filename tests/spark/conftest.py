"""Spark as `make test-spark` has it: one session at a time, in this process or on a cluster.

Where Spark is not installed nothing here is collected. The machine's time zone is far from UTC,
because no value may depend on it.
"""

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from pipelines.contracts import Engine
from pipelines.settings import Settings

collect_ignore_glob = [] if find_spec("pyspark") else ["test_*.py"]

WORKER_COUNT = 2
START_SECONDS = 90


@pytest.fixture(scope="session", autouse=True)
def spark_environment() -> Iterator[dict[str, str]]:
    """Environment of every JVM: small, quiet, on loopback."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_CONF_DIR", str(Path(__file__).parent / "conf"))
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("SPARK_DAEMON_MEMORY", "256m")
        patch.setenv("SPARK_DAEMON_JAVA_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        yield dict(os.environ)
    time.tzset()


@pytest.fixture(scope="module")
def local_master() -> Iterator[str]:
    """Spark in this process, on two cores; stopped when the module ends."""
    yield "local[2]"
    _stop_session()


@pytest.fixture(scope="module")
def cluster_master(
    spark_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of a standalone master with two workers, each a process of its own."""
    import pyspark  # noqa: PLC0415 - not installed where nothing is collected

    run = str(Path(pyspark.__file__).parent / "bin" / "spark-class")
    folder = tmp_path_factory.mktemp("cluster")
    port, page = _free_port(), _free_port()
    url = f"spark://127.0.0.1:{port}"
    deploy = "org.apache.spark.deploy"
    commands = {
        "master": [f"{deploy}.master.Master", "--port", str(port), "--webui-port", str(page)]
    }
    for number in range(WORKER_COUNT):
        commands[f"worker-{number}"] = [
            *(f"{deploy}.worker.Worker", "--cores", "1", "--memory", "1g", "--webui-port", "0"),
            *("--work-dir", str(folder / f"work-{number}"), url),
        ]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for name, command in commands.items():
            log = (folder / f"{name}.log").open("wb")
            processes.append(
                subprocess.Popen(
                    [run, command[0], "--host", "127.0.0.1", *command[1:]],
                    env=spark_environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
        _wait_for_workers(page, processes, folder)
        yield url
    finally:
        _stop_session()
        for process in reversed(processes):  # workers end their executors
            process.terminate()
        for process in processes:
            process.wait(30)


@pytest.fixture
def on_duckdb(tmp_path: Path) -> Settings:
    """Settings of a build on DuckDB in a lake of its own."""
    return Settings(home=tmp_path / "duckdb", engine=Engine.DUCKDB, _env_file=None)


@pytest.fixture
def on_spark(tmp_path: Path, local_master: str) -> Settings:
    """Settings of a build on Spark in a lake of its own."""
    return Settings(
        home=tmp_path / "spark", engine=Engine.SPARK, spark_master=local_master, _env_file=None
    )


def _wait_for_workers(page: int, processes: list["subprocess.Popen[bytes]"], folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{page}/json/", timeout=10) as answer:
                if json.load(answer)["aliveworkers"] == WORKER_COUNT:
                    return
        except OSError:
            pass
        if time.monotonic() > deadline or any(one.poll() is not None for one in processes):
            logs = "\n".join(log.read_text(errors="replace") for log in folder.glob("*.log"))
            pytest.fail(f"The cluster did not start:\n{logs}")
        time.sleep(0.2)


def _stop_session() -> None:
    from pyspark.sql import SparkSession  # noqa: PLC0415 - see above

    session = SparkSession.getActiveSession()
    if session is not None:
        session.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
