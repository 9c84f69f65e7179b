"""The whole platform, with real servers, a tiny DAGs folder and a tiny Bento.

One platform for the file; the tests run in order, since that is what costs half a minute.
"""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
import pytest
import redis
from sqlalchemy import create_engine, text

from pipelines.errors import PlatformError
from pipelines.platform.airflow_client import AirflowClient, DagRun, wait_for_dags
from pipelines.platform.processes import find_processes
from pipelines.platform.programs import Layout
from pipelines.platform.status import ProgramStatus, require_supervised, status
from pipelines.platform.supervise import down, up
from pipelines.platform.supervisord import Supervisord
from pipelines.settings import Settings
from tests.integration.tiny_platform import make_settings, tiny_layout

# Starts take a quarter of this on a quiet machine.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Platform:
    settings: Settings
    layout: Layout

    def by_name(self) -> dict[str, ProgramStatus]:
        return {each.name: each for each in status(self.settings, layout=self.layout)}

    def wait(self, name: str, wanted: Callable[[ProgramStatus], bool]) -> None:
        deadline = time.monotonic() + 120
        while not wanted(self.by_name()[name]):
            assert time.monotonic() < deadline, self.by_name()[name]
            time.sleep(0.3)

    def wait_for_run(self, client: AirflowClient, dag_id: str, since: datetime) -> DagRun:
        deadline = time.monotonic() + 120
        while True:
            for run in client.runs(since, dag_id):
                if run.is_finished:
                    return run
            assert time.monotonic() < deadline
            time.sleep(0.3)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # As root, PostgreSQL's own user must reach it, and pytest closes its folders to others.
    made = Path(tempfile.mkdtemp(prefix="workcast-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def platform(folder: Path) -> Iterator[Platform]:
    layout = tiny_layout(folder)
    settings = make_settings(folder / "home")
    try:
        up(settings, layout=layout)
        yield Platform(settings, layout)
    finally:
        down(settings)


def test_everything_is_healthy_and_modest(platform: Platform) -> None:
    found = platform.by_name()
    assert [each for each in found.values() if (each.state, each.detail) != ("RUNNING", "")] == []
    assert len(found) == 8
    assert sum(each.memory_bytes for each in found.values()) < 3.5e9


def test_everything_listens_on_loopback_only(platform: Platform) -> None:
    pids = {each.pid for each in find_processes(platform.settings.home)}
    listening = {
        (each.laddr.ip, each.laddr.port)
        for each in psutil.net_connections("inet")
        if each.status == psutil.CONN_LISTEN and each.laddr and each.pid in pids
    }
    assert {ip for ip, _ in listening} == {"127.0.0.1"}
    settings = platform.settings
    assert {port for _, port in listening} >= {  # Bento's own supervisor has ports besides
        settings.airflow_port,
        settings.mlflow_port,
        settings.service_port,
        settings.evidently_port,
        settings.valkey_port,
    }


def test_a_second_up_only_reports(platform: Platform) -> None:
    before = {name: each.pid for name, each in platform.by_name().items()}
    report = up(platform.settings, layout=platform.layout)
    assert report.was_running
    assert {each.name: each.pid for each in report.programs} == before


def test_a_taken_port_is_named_before_anything_starts(platform: Platform, folder: Path) -> None:
    taken = platform.settings.mlflow_port
    other = make_settings(folder / "other").model_copy(update={"mlflow_port": taken})
    with pytest.raises(PlatformError, match=rf"Port {taken} .* mlflow.*WORKCAST_MLFLOW_PORT"):
        up(other, layout=platform.layout)
    assert find_processes(other.home) == []


def test_an_asset_event_starts_the_dag_that_waits_for_it(platform: Platform) -> None:
    since = datetime.now(UTC)
    with AirflowClient.of(platform.settings) as client:
        wait_for_dags(client, ["follower", "failing"], timeout_s=120)
        client.create_asset_event("sample_source", {"rows": 3})
        run = platform.wait_for_run(client, "follower", since)
        assert (run.state, run.run_type) == ("success", "asset_triggered")
        (task,) = client.task_instances(run)
        assert f"saw 3 for {platform.settings.mlflow}" in client.task_log(task)


def test_a_failed_dag_task_tells_why(platform: Platform) -> None:
    since = datetime.now(UTC)
    with AirflowClient.of(platform.settings) as client:
        started = client.trigger("failing")
        assert platform.wait_for_run(client, "failing", since).state == "failed"
        (task,) = client.task_instances(started)
        assert task.state == "failed"
        assert "ValueError: there is no month 13" in client.task_log(task)


def test_a_dag_file_that_cannot_be_imported_tells_why(platform: Platform) -> None:
    broken = platform.layout.dags_folder / "broken.py"
    broken.write_text("from airflow.sdk import dag\nthere_is_no_such_name\n")
    try:
        with (
            AirflowClient.of(platform.settings) as client,
            pytest.raises(PlatformError, match=r"broken\.py:(.|\n)*there_is_no_such_name"),
        ):
            wait_for_dags(client, ["missing"], timeout_s=120)
    finally:
        broken.unlink()


def test_the_bento_service_is_told_the_addresses(platform: Platform) -> None:
    answer = httpx.post(f"{platform.settings.service}/database", json={})
    url = platform.settings.database.render_as_string(hide_password=False)
    assert answer.text.strip('"') == url


@pytest.mark.parametrize("name", ["service", "postgres"])
def test_a_killed_program_comes_back(platform: Platform, name: str) -> None:
    before = platform.by_name()[name]
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    platform.wait(
        name,
        lambda now: (
            now.is_healthy
            and now.pid != before.pid
            and now.restart_count > before.restart_count  # its workers may hold the port a while
        ),
    )


def test_up_recovers_what_a_killed_supervisord_left_and_loses_nothing(platform: Platform) -> None:
    settings = platform.settings
    engine = create_engine(settings.database)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE kept AS SELECT 42 AS answer"))
    engine.dispose()
    redis.Redis.from_url(settings.valkey).set("kept", "42")
    supervisord = Supervisord(settings.home, settings.socket_dir).pid()
    postgres = platform.by_name()["postgres"].pid
    assert supervisord is not None
    assert postgres is not None
    left = {each.pid for each in find_processes(settings.home)} - {supervisord}
    require_supervised(settings)
    os.kill(supervisord, signal.SIGKILL)
    with pytest.raises(PlatformError, match=r"supervisor .* is gone.*workcast up"):
        require_supervised(settings)
    os.kill(postgres, signal.SIGKILL)  # so that a stale postmaster.pid is left as well

    report = up(settings, layout=platform.layout)

    assert not report.was_running
    assert [each.name for each in report.programs if not each.is_healthy] == []
    assert not {each.pid for each in find_processes(settings.home)} & left
    with engine.connect() as connection:
        assert connection.execute(text("SELECT answer FROM kept")).scalar_one() == 42
    engine.dispose()
    assert redis.Redis.from_url(settings.valkey).get("kept") == b"42"


def test_down_leaves_no_process_even_of_a_half_dead_platform(platform: Platform) -> None:
    mlflow = platform.by_name()["mlflow"].pid
    assert mlflow is not None
    supervisord = Supervisord(platform.settings.home, platform.settings.socket_dir).pid()
    assert supervisord is not None
    os.kill(supervisord, signal.SIGKILL)
    os.kill(mlflow, signal.SIGKILL)
    assert down(platform.settings) >= 7
    assert find_processes(platform.settings.home) == []
    assert not (platform.settings.socket_dir / ".s.PGSQL.5432").exists()  # a clean shutdown
    assert down(platform.settings) == 0
