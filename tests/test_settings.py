from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipelines.errors import SettingsError
from pipelines.settings import Settings, get_settings

KEY = "k" * 32
ISSUER = {"auth_issuer": "https://issuer.example", "auth_jwks_url": "https://issuer.example/jwks"}


def make(home: Path, **fields: object) -> Settings:
    return Settings(home=home, _env_file=None, **fields)  # type: ignore[arg-type]


def test_development_has_an_issuer_of_its_own(tmp_path: Path) -> None:
    settings = make(tmp_path)
    settings.require_guard()
    assert settings.issuer == "urn:workcast:development"
    assert settings.jwks == f"file://{tmp_path}/issuer/jwks.json"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"environment": "production"}, "WORKCAST_AUTH_ISSUER .* and WORKCAST_AUDIT_KEY"),
        ({"environment": "production", "audit_key": KEY}, "WORKCAST_AUTH_ISSUER"),
        ({"environment": "production", **ISSUER}, "WORKCAST_AUDIT_KEY"),
        ({"auth_issuer": "https://issuer.example"}, "belong together"),
        ({"auth_jwks_url": "https://issuer.example/jwks"}, "belong together"),
        (
            {"environment": "production", "audit_key": KEY, **ISSUER, "auth_jwks_url": "http://x/"},
            "https://",
        ),
    ],
)
def test_guard_needs_an_issuer_that_somebody_meant(
    tmp_path: Path, fields: dict[str, object], named: str
) -> None:
    with pytest.raises(SettingsError, match=named) as caught:
        make(tmp_path, **fields).require_guard()
    assert KEY not in str(caught.value)


def test_production_with_all_it_needs(tmp_path: Path) -> None:
    settings = make(tmp_path, environment="production", audit_key=KEY, **ISSUER)
    settings.require_guard()
    assert (settings.issuer, settings.jwks) == tuple(ISSUER.values())


@pytest.mark.parametrize(
    "field", [{"audit_key": "short"}, {"rate_limit_per_minute": 0}, {"request_timeout_s": 0}]
)
def test_values_that_would_open_the_guard(tmp_path: Path, field: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        make(tmp_path, **field)


@pytest.fixture
def fresh_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A folder without `.env`, and settings that are read anew."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKCAST_DATABASE_URL", raising=False)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.mark.usefixtures("fresh_settings")
def test_a_secret_comes_from_a_file_named_like_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "workcast_database_url").write_text("postgresql://ada:s3cret@db/work\n")
    monkeypatch.setenv("WORKCAST_SECRETS_DIR", str(tmp_path))
    database = get_settings().database
    assert (database.username, database.password, database.host) == ("ada", "s3cret", "db")
    assert "s3cret" not in repr(get_settings())


@pytest.mark.usefixtures("fresh_settings")
def test_a_variable_counts_more_than_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "workcast_database_url").write_text("postgresql://ada:s3cret@db/work")
    monkeypatch.setenv("WORKCAST_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("WORKCAST_DATABASE_URL", "postgresql://ben:other@db/work")
    assert get_settings().database.username == "ben"


@pytest.mark.usefixtures("fresh_settings")
def test_without_a_folder_of_secrets_nothing_is_missed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setenv("WORKCAST_SECRETS_DIR", str(tmp_path / "nowhere"))
    assert get_settings().database_url is None
    assert not recwarn.list
