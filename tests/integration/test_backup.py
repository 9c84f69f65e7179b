"""A backup restored elsewhere is the platform as it was: real servers, no container."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, text

from pipelines.history.mapping import Columns, Mapping
from pipelines.platform import postgres
from pipelines.source.connect import connect
from pipelines.source.imports import import_log
from pipelines.source.migrate import migrate
from tests.conftest import REPOSITORY, run_postgres

pytestmark = pytest.mark.integration

# Clients of the server's own version.
BINARIES = Path(postgres.command(Path(), Path())[0]).parent
LOG = "case,what,when\n" + "".join(f"{n},check,2024-01-0{n}T10:00:00+00:00\n" for n in range(1, 8))
MAPPING = Mapping(
    name="orders",
    format="csv",
    columns=Columns(workflow="case", activity="what", timestamp="when"),
)
# As much of the tables of Airflow, MLflow and Feast as the figures are taken from.
OTHERS = {
    "airflow": """
        CREATE TABLE dag_run (dag_id text, state text);
        INSERT INTO dag_run VALUES ('train', 'success'), ('train', 'failed'), ('train', 'success')
    """,
    "mlflow": """
        CREATE TABLE registered_model_aliases (name text, alias text, version int);
        INSERT INTO registered_model_aliases VALUES ('delay_risk', 'champion', 3);
        CREATE TABLE latest_metrics (value float, is_nan bool);
        INSERT INTO latest_metrics VALUES (0.25, false), (0.5, false), (0, true)
    """,
    "feast": "CREATE TABLE feature_views (name text); INSERT INTO feature_views VALUES ('load')",
}
FILES = {
    "lake/history/tasks/interval=2024-01-01/part.parquet": b"rows",
    "lake/.hidden": b"kept too",
    "mlflow/artifacts/1/a model.txt": b"trees",
    "reports/2024-01.html": b"<p>no drift</p>",
    "logs/airflow-tasks/attempt=1.log": b"done",
}
FIGURES = """\
workcast workflows|7|7|2024-01-07 10:00:00+00
workcast task_events|7|2024-01-07 10:00:00+00|c0db80e158354e628858ab205edf3588
workcast predictions|0|
airflow dag runs|train|failed|1
airflow dag runs|train|success|2
mlflow aliases|delay_risk|champion|3
mlflow metrics|2|0.750000
feast views|1
"""


def digest(folder: str, start: str = "./") -> str:
    """Return the digest that the figures have of a folder of `FILES`, the logs left out."""
    lines = [
        f"{sha256(content).hexdigest()}  {start}{name.removeprefix(folder)}\n"
        for name, content in sorted(FILES.items())
        if name.startswith(folder) and not name.startswith("logs/")
    ]
    return sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Installation:
    """A PostgreSQL server and a folder of state."""

    server: URL
    home: Path

    def run(self, script: str, *arguments: Path, fails: bool = False) -> str:
        """Run a script of infra/backup on this installation; return what it says."""
        done = subprocess.run(
            [REPOSITORY / "infra" / "backup" / script, *arguments],
            env={
                "PATH": f"{BINARIES}:{os.environ['PATH']}",
                "PGTZ": "UTC",
                "WORKCAST_POSTGRES_HOST": str(self.server.query["host"]),
                "WORKCAST_HOME": str(self.home),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stderr
        return done.stdout

    def fill(self, folder: Path) -> None:
        """Put a small history, runs, a model and files into it."""
        for name in ("workcast", *OTHERS):
            with connect(self.server) as connection:
                connection.execute(f"CREATE ROLE {name} LOGIN")
                connection.execute(f"CREATE DATABASE {name} OWNER {name}")
        engine = create_engine(self.server.set(username="workcast", database="workcast"))
        migrate(engine)
        (folder / "log.csv").write_text(LOG)
        import_log(
            engine,
            folder / "log.csv",
            MAPPING,
            max_rejected_ratio=0,
            now=datetime(2025, 1, 1, tzinfo=UTC),
        )
        engine.dispose()
        for name, statements in OTHERS.items():
            engine = create_engine(self.server.set(username=name, database=name))
            with engine.begin() as connection:
                connection.execute(text(statements))
            engine.dispose()
        for name, content in FILES.items():
            path = self.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


@pytest.fixture(scope="module")
def installations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Installation]]:
    """One with a small history in it, and an empty one."""
    with ExitStack() as stack:
        made = []
        for name in ("here", "there"):
            home = tmp_path_factory.mktemp(name)
            for folder in ("lake", "mlflow"):
                (home / folder).mkdir()
            made.append(Installation(stack.enter_context(run_postgres()), home))
        made[0].fill(tmp_path_factory.mktemp("log"))
        yield made


@pytest.fixture(scope="module")
def backup(installations: list[Installation], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backups") / "first"
    installations[0].run("backup.sh", folder)
    return folder


def test_what_is_restored_is_as_it_was_and_nothing_else(
    installations: list[Installation], backup: Path
) -> None:
    here, there = installations
    before = here.run("figures.sh")
    rows, folders = before.split("folder lake ")
    assert re.sub(r"workcast revision\|\w+\n", "", rows) == FIGURES
    assert folders.split() == [
        digest("lake/"),
        *("folder", "mlflow", digest("mlflow/")),
        *("folder", "state", digest("reports/", "reports/")),
    ]
    for name in ("lake/history/newer.parquet", "lake/.newer", "mlflow/newer", "reports/newer.html"):
        (there.home / name).parent.mkdir(parents=True, exist_ok=True)
        (there.home / name).write_text("after the backup")
    (there.home / "secrets.json").write_text("not in a backup")
    for _ in range(2):  # into an empty server, and into a full one
        there.run("restore.sh", backup)
        assert there.run("figures.sh") == before
    assert {
        str(path.relative_to(there.home)): path.read_bytes()
        for path in there.home.rglob("*")
        if path.is_file()
    } == FILES | {"secrets.json": b"not in a backup"}
    for owner, table in (("workcast", "workcast.predictions"), ("airflow", "dag_run")):
        with connect(there.server.set(username=owner), owner) as connection:
            connection.execute(f"ALTER TABLE {table} ADD mine int")  # only the owner may


def test_a_damaged_backup_is_refused_before_anything_is_lost(
    installations: list[Installation], backup: Path, tmp_path: Path
) -> None:
    there = installations[1]
    there.run("restore.sh", backup)
    before = there.run("figures.sh")
    damaged = tmp_path / "damaged"
    shutil.copytree(backup, damaged)
    with (damaged / "workcast.dump").open("ab") as dump:
        dump.write(b"\0")
    assert there.run("restore.sh", damaged, fails=True) == "workcast.dump: FAILED\n"
    assert there.run("figures.sh") == before
