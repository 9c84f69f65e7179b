import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import make_url

from tests.conftest import REPOSITORY

HOSTS = {"postgres": "postgres:5432", "valkey": "valkey:6379"}


def load_script(name: str = "make_secrets") -> ModuleType:
    """Import a script from where it lies, outside of every package."""
    path = REPOSITORY / "infra" / "compose" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for their own
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script()


def test_every_secret_is_made_once_and_differs_between_installations(
    script: ModuleType, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    made = script.make_secrets(here, HOSTS)
    assert sorted(made) == sorted(path.name for path in here.iterdir())
    assert here.stat().st_mode & 0o777 == 0o700
    before = {path.name: path.read_text() for path in here.iterdir()}
    assert script.make_secrets(here, HOSTS) == []
    assert {path.name: path.read_text() for path in here.iterdir()} == before
    script.make_secrets(there, HOSTS)
    assert not [name for name in before if (there / name).read_text() == before[name]]
    Fernet(before["workcast_airflow_fernet_key"].encode())


def test_urls_follow_a_password_that_is_rotated(script: ModuleType, tmp_path: Path) -> None:
    script.make_secrets(tmp_path, HOSTS)
    old = make_url((tmp_path / "workcast_admin_database_url").read_text())
    (tmp_path / "postgres_password").unlink()
    assert script.make_secrets(tmp_path, HOSTS) == [
        "postgres_password",
        "workcast_admin_database_url",
    ]
    new = make_url((tmp_path / "workcast_admin_database_url").read_text())
    assert new.password == (tmp_path / "postgres_password").read_text() != old.password


def test_each_database_has_an_owner_and_a_password_of_its_own(
    script: ModuleType, tmp_path: Path
) -> None:
    script.make_secrets(tmp_path, HOSTS)
    urls = [make_url(path.read_text()) for path in tmp_path.glob("workcast_*_url")]
    databases = [url for url in urls if url.drivername == "postgresql"]
    assert sorted((url.username, url.database) for url in databases) == [
        ("airflow", "airflow"),
        ("dashboards", "workcast"),
        ("feast", "feast"),
        ("mlflow", "mlflow"),
        ("postgres", "postgres"),
        ("workcast", "workcast"),
    ]
    assert len({url.password for url in urls}) == len(urls) == 7
