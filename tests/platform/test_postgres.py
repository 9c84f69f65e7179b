import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL

from pipelines.errors import PlatformError
from pipelines.platform import postgres
from pipelines.source.connect import connect


def test_a_cluster_is_made_once_and_private(home: Path) -> None:
    data, run = home / "postgres", home / "run"
    postgres.prepare_cluster(data, run)
    made = (data / "global" / "pg_control").stat().st_mtime_ns
    postgres.prepare_cluster(data, run)
    assert (data / "global" / "pg_control").stat().st_mtime_ns == made
    for folder in (data, run):
        assert folder.stat().st_mode & 0o777 == 0o700
    rules = [
        line.split()
        for line in (data / "pg_hba.conf").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert {rule[-1] for rule in rules if rule[0] != "local"} == {"reject"}


def test_a_half_made_cluster_is_made_anew(home: Path) -> None:
    data = home / "postgres"
    (home / "postgres.new").mkdir()
    (home / "postgres.new" / "PG_VERSION").write_text("18")
    postgres.prepare_cluster(data, home / "run")
    assert (data / "global" / "pg_control").exists()
    assert not (home / "postgres.new").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", "mine", "is not empty but holds no PostgreSQL cluster"),
        ("PG_VERSION", "9.6\n", "holds a PostgreSQL 9.6 cluster"),
    ],
)
def test_a_folder_of_something_else_is_left_alone(
    home: Path, name: str, content: str, message: str
) -> None:
    data = home / "postgres"
    data.mkdir()
    (data / name).write_text(content)
    with pytest.raises(PlatformError, match=message):
        postgres.prepare_cluster(data, home / "run")
    assert (data / name).read_text() == content


def test_a_planted_link_is_refused(home: Path, tmp_path: Path) -> None:
    (home / "run").symlink_to(tmp_path)
    with pytest.raises(PlatformError, match="is a link"):
        postgres.prepare_cluster(home / "postgres", home / "run")


@pytest.fixture
def locked(home: Path) -> tuple[Path, Path]:
    data, run = home / "postgres", home / "run"
    data.mkdir()
    run.mkdir()
    # The process id of a live process that is no PostgreSQL: the test itself.
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n")
    (run / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
    (run / "sv.sock").touch()
    return data, run


def test_locks_whose_process_id_is_now_another_process_are_removed(
    locked: tuple[Path, Path],
) -> None:
    data, run = locked
    postgres.remove_stale_locks(data, run)
    assert [path.name for path in (*data.iterdir(), *run.iterdir())] == ["sv.sock"]


def test_locks_of_a_server_that_runs_are_kept(locked: tuple[Path, Path]) -> None:
    data, run = locked
    with subprocess.Popen([sys.executable, "-c", "input()"], cwd=data, stdin=-1) as somebody:
        postgres.remove_stale_locks(data, run)
        somebody.communicate(b"\n")
    assert (data / "postmaster.pid").exists()
    assert (run / ".s.PGSQL.5432.lock").exists()


def test_a_missing_database_is_created_once(postgres_url: URL) -> None:
    url = postgres_url.set(database='made "here"')
    postgres.ensure_database(url)
    postgres.ensure_database(url)
    with connect(url) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ('made "here"',)


def test_a_user_who_may_not_create_databases_is_told_so(postgres_url: URL) -> None:
    with connect(postgres_url) as connection:
        connection.execute("CREATE ROLE visitor LOGIN")
    url = postgres_url.set(username="visitor", password="s3cret", database="theirs")  # noqa: S106
    with pytest.raises(PlatformError, match="grant CREATEDB") as caught:
        postgres.ensure_database(url)
    assert "s3cret" not in str(caught.value)


def test_a_server_that_does_not_answer_is_named(home: Path) -> None:
    url = URL.create("postgresql+psycopg", "postgres", database="x", query={"host": str(home)})
    with pytest.raises(PlatformError, match=r"(?s)does not answer.*Start its server"):
        postgres.ensure_database(url)
    assert "No such file" in (postgres.fault(url) or "")


def test_binaries_are_those_of_the_wheel(home: Path) -> None:
    command = postgres.command(home / "postgres", home / "run")
    assert shutil.which(command[0]) is not None
    version = subprocess.run([command[0], "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("postgres (PostgreSQL) 18")
