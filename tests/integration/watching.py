"""Prometheus with the project's own rules, and exporters beside it, for tests of a platform.

All but StatsD's exporter are Debian's packages; that one is the stand-in of infra/standins.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from pipelines.settings import Settings
from tests.conftest import REPOSITORY
from tests.integration.serving_stack import free_port, until

MONITORING = REPOSITORY / "infra" / "monitoring"


@contextmanager
def running(command: list[str], log: Path, **environment: str) -> Iterator[None]:
    """Run a program as long as the block lasts."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": "/usr/bin", **environment},
        )
    try:
        yield
        assert process.poll() is None, log.read_text(errors="replace")[-2_000:]
    finally:
        process.terminate()
        process.wait(30)


def needed(program: str) -> str:
    """Return where a program is; skip the test where it is not."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"needs Debian's package {program}: not on the PATH")
    return found


@contextmanager
def statsd_exporter(folder: Path, statsd_port: int) -> Iterator[str]:
    """Take what Airflow sends by StatsD; yield where the page of metrics is."""
    page = f"127.0.0.1:{free_port()}"
    command = [
        *(sys.executable, str(REPOSITORY / "infra/standins/statsd.py")),
        f"--statsd.mapping-config={MONITORING / 'statsd.yml'}",
        f"--statsd.listen-udp=127.0.0.1:{statsd_port}",
        f"--web.listen-address={page}",
    ]
    with running(command, folder / "statsd.log"):
        yield page


@contextmanager
def store_exporters(folder: Path, settings: Settings) -> Iterator[dict[str, str]]:
    """Watch a platform's stores; yield the jobs and where their pages are."""
    pages = {job: f"127.0.0.1:{free_port()}" for job in ("postgres", "valkey")}
    url = settings.database
    database = f"host={url.query.get('host') or url.host} user={url.username} dbname=postgres"
    postgres = [
        needed("prometheus-postgres-exporter"),
        f"--web.listen-address={pages['postgres']}",
    ]
    valkey = [
        needed("prometheus-redis-exporter"),
        f"-web.listen-address={pages['valkey']}",
        f"-redis.addr={settings.valkey}",
    ]
    with (
        running(postgres, folder / "postgres-exporter.log", DATA_SOURCE_NAME=database),
        running(valkey, folder / "valkey-exporter.log"),
    ):
        yield pages


@contextmanager
def prometheus(folder: Path, pages: Mapping[str, str]) -> Iterator[httpx.Client]:
    """Run Prometheus on the project's configuration, every second, on these jobs and addresses."""
    configuration = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    jobs = {job["job_name"] for job in configuration["scrape_configs"]}
    assert set(pages) <= jobs
    address = f"127.0.0.1:{free_port()}"
    configuration |= {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(MONITORING / "rules" / "*.yml")],
        "alerting": {},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [page]}]}
            for job, page in {**pages, "prometheus": address}.items()
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    command = [
        needed("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={address}",
    ]
    with (
        running(command, folder / "prometheus.log"),
        httpx.Client(base_url=f"http://{address}/api/v1", timeout=10) as client,
    ):
        until(lambda: client.get("/status/runtimeinfo").is_success, 60)
        yield client
