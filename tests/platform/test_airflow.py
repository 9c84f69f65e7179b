import json
import sys
from configparser import ConfigParser
from importlib.metadata import version
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from pipelines.errors import PlatformError
from pipelines.platform import airflow
from pipelines.platform.credentials import (
    credentials_file,
    ensure_credentials,
    read_credentials,
)
from pipelines.settings import Settings

DAGS = Path("/somewhere/dags")


@pytest.fixture
def own_settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, airflow_port=18_081, _env_file=None)


def read_configuration(settings: Settings) -> ConfigParser:
    parser = ConfigParser()  # interpolates, as Airflow's own does
    parser.read(settings.home / "airflow" / "airflow.cfg")
    return parser


def test_configuration_says_what_airflow_must_know(own_settings: Settings) -> None:
    credentials = ensure_credentials(own_settings.home)
    airflow.write_configuration(own_settings, credentials, DAGS)
    read = read_configuration(own_settings)
    url = own_settings.airflow_database.render_as_string(hide_password=False)
    assert read["database"]["sql_alchemy_conn"] == url
    assert read["database"]["sql_alchemy_conn_async"] == url.replace("psycopg:", "psycopg_async:")
    assert read["core"]["execution_api_server_url"] == "http://127.0.0.1:18081/execution/"
    assert read["core"]["dags_folder"] == str(DAGS)
    assert read["core"]["load_examples"] == "False"
    assert read["core"]["dags_are_paused_at_creation"] == "False"
    assert read["api"]["host"] == "127.0.0.1"
    assert read["core"]["fernet_key"] == credentials.fernet_key


def test_passwords_are_generated_private_and_kept(own_settings: Settings, tmp_path: Path) -> None:
    credentials = ensure_credentials(own_settings.home)
    airflow.write_configuration(own_settings, credentials, DAGS)
    passwords = own_settings.home / "airflow" / "passwords.json"
    assert json.loads(passwords.read_text()) == {"admin": credentials.airflow_password}
    assert len(credentials.airflow_password) >= 20
    private = (passwords, passwords.with_name("airflow.cfg"), credentials_file(tmp_path))
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
    assert ensure_credentials(own_settings.home) == credentials
    assert credentials.airflow_password not in repr(credentials)
    other = tmp_path / "other"
    other.mkdir()
    assert ensure_credentials(other).airflow_password != credentials.airflow_password


def test_only_a_change_is_told(own_settings: Settings) -> None:
    credentials = ensure_credentials(own_settings.home)
    assert airflow.write_configuration(own_settings, credentials, DAGS)
    assert not airflow.write_configuration(own_settings, credentials, DAGS)
    assert airflow.write_configuration(own_settings, credentials, DAGS.parent)


@pytest.mark.parametrize("content", ["", "{", '{"jwt_secret": "x"}', "[]"])
def test_a_damaged_secrets_file_is_not_replaced_silently(tmp_path: Path, content: str) -> None:
    credentials_file(tmp_path).write_text(content)
    with pytest.raises(PlatformError, match="restore it, or remove it"):
        ensure_credentials(tmp_path)
    assert credentials_file(tmp_path).read_text() == content


def test_credentials_of_a_platform_that_never_ran(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="start the platform, `workcast up`"):
        read_credentials(tmp_path)


@pytest.fixture
def migrated(own_settings: Settings, empty_database: Engine) -> Settings:
    """Settings whose metadata database is at the noted revision."""
    with empty_database.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num text)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('abc')"))
    (own_settings.home / "airflow").mkdir()
    (own_settings.home / "logs").mkdir()
    stamp = {"airflow": version("apache-airflow-core"), "revision": "abc"}
    (own_settings.home / "airflow" / "migrated.json").write_text(json.dumps(stamp))
    url = SecretStr(empty_database.url.render_as_string(hide_password=False))
    return own_settings.model_copy(update={"airflow_database_url": url})


def migrate_attempted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Tell whether the command was run: an interpreter that only fails stands in for it."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    try:
        airflow.migrate(settings, {}, settings.home)
    except PlatformError as err:
        assert "airflow-migrate.log" in str(err)  # noqa: PT017
        return True
    return False


def test_a_migrated_database_is_not_migrated_again(
    migrated: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not migrate_attempted(migrated, monkeypatch)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE alembic_version SET version_num = 'abb'",  # a restored backup
        "DROP TABLE alembic_version",  # a new database under the old name
    ],
)
def test_a_database_at_another_revision_is_migrated(
    migrated: Settings, empty_database: Engine, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    with empty_database.begin() as connection:
        connection.execute(text(change))
    assert migrate_attempted(migrated, monkeypatch)


def test_another_airflow_migrates_again(
    migrated: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp = {"airflow": "3.2.0", "revision": "abc"}
    (migrated.home / "airflow" / "migrated.json").write_text(json.dumps(stamp))
    assert migrate_attempted(migrated, monkeypatch)
