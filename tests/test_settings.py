from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.settings import get_settings


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A folder without `.env`, and settings that are read anew."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKCAST_DATABASE_URL", raising=False)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def test_a_secret_comes_from_a_file_named_like_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "workcast_database_url").write_text("postgresql://ada:s3cret@db/work\n")
    monkeypatch.setenv("WORKCAST_SECRETS_DIR", str(tmp_path))
    database = get_settings().database
    assert (database.username, database.password, database.host) == ("ada", "s3cret", "db")
    assert "s3cret" not in repr(get_settings())


def test_a_variable_counts_more_than_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "workcast_database_url").write_text("postgresql://ada:s3cret@db/work")
    monkeypatch.setenv("WORKCAST_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("WORKCAST_DATABASE_URL", "postgresql://ben:other@db/work")
    assert get_settings().database.username == "ben"


def test_without_a_folder_of_secrets_nothing_is_missed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setenv("WORKCAST_SECRETS_DIR", str(tmp_path / "nowhere"))
    assert get_settings().database_url is None
    assert not recwarn.list
