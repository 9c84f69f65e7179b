import json
import stat
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.contracts import Role
from pipelines.errors import PlatformError
from pipelines.platform import issuer
from pipelines.platform.issuer import LONGEST_LIFE_MINUTES, ensure_issuer, rotate_issuer
from pipelines.platform.token import issue_token
from pipelines.settings import Settings, get_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", _env_file=None)  # type: ignore[call-arg]


def published(settings: Settings) -> dict[str, jwt.PyJWK]:
    document = json.loads((settings.issuer_dir / "jwks.json").read_bytes())
    assert all("d" not in key for key in document["keys"])
    return {key["kid"]: jwt.PyJWK(key) for key in document["keys"]}


def read(settings: Settings, token: str) -> dict[str, object]:
    key = published(settings)[jwt.get_unverified_header(token)["kid"]]
    return dict(jwt.decode(token, key, audience=settings.auth_audience, issuer=settings.issuer))


def test_first_start_makes_a_key_that_stays(settings: Settings) -> None:
    (made,) = ensure_issuer(settings)
    assert ensure_issuer(settings) == [made]
    assert set(published(settings)) == {made.kid}
    assert "d" in made.jwk
    assert made.jwk["d"] not in repr(made)


def test_nobody_else_may_read_or_write_the_keys(settings: Settings) -> None:
    ensure_issuer(settings)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (settings.issuer_dir, *settings.issuer_dir.glob("*.json"))
    }
    assert modes == {"issuer": 0o700, "private.json": 0o600, "jwks.json": 0o600}


def test_token_says_who_what_and_until_when(settings: Settings) -> None:
    claims = read(
        settings, issue_token(settings, [Role.PREDICT, Role.ADMIN, Role.ADMIN], "ann", minutes=7)
    )
    assert (claims["sub"], claims["roles"]) == ("ann", ["admin", "predict"])
    assert claims["exp"] == claims["iat"] + 7 * 60
    assert claims["nbf"] == claims["iat"]


@pytest.mark.parametrize("minutes", [0, -1, LONGEST_LIFE_MINUTES + 1])
def test_lives_no_longer_than_a_rotated_key_is_kept(settings: Settings, minutes: int) -> None:
    with pytest.raises(PlatformError, match=f"not {minutes}"):
        issue_token(settings, [], "ann", minutes=minutes)


def test_rotated_key_verifies_as_long_as_its_tokens_live(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_700_000_000.0
    monkeypatch.setattr(issuer.time, "time", lambda: now)
    (first,) = ensure_issuer(settings)
    now += 10 * 24 * 3_600  # it was in use until now
    second = rotate_issuer(settings)
    assert set(published(settings)) == {first.kid, second.kid}
    now += LONGEST_LIFE_MINUTES * 60 - 1
    third = rotate_issuer(settings)
    assert set(published(settings)) == {first.kid, second.kid, third.kid}
    now += 2
    fourth = rotate_issuer(settings)
    assert set(published(settings)) == {second.kid, third.kid, fourth.kid}
    assert ensure_issuer(settings)[0] == fourth


def test_revocation_leaves_the_new_key_alone(settings: Settings) -> None:
    ensure_issuer(settings)
    newest = rotate_issuer(settings, revoke=True)
    assert set(published(settings)) == {newest.kid}


@pytest.mark.parametrize(
    "changes",
    [{"environment": "production"}, {"auth_issuer": "https://issuer.example"}],
)
def test_signs_nothing_where_somebody_else_does(
    settings: Settings, changes: dict[str, str]
) -> None:
    with pytest.raises(PlatformError, match="signs none of its own"):
        issue_token(settings.model_copy(update=changes), [Role.ADMIN], "ann")
    assert not settings.issuer_dir.exists()


def test_damaged_file_is_named(settings: Settings) -> None:
    ensure_issuer(settings)
    (settings.issuer_dir / "private.json").write_text("[{}]")
    with pytest.raises(PlatformError, match=r"private\.json cannot be read"):
        ensure_issuer(settings)


def test_commands(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKCAST_HOME", str(settings.home))
    get_settings.cache_clear()
    try:
        run = CliRunner().invoke
        roles = ["--role", "admin", "--role", "feedback"]
        printed = run(app, ["token", *roles, "--subject", "ann", "--minutes", "5"])
        assert printed.exit_code == 0, printed.output
        claims = read(settings, printed.output.strip())
        assert (claims["sub"], claims["roles"]) == ("ann", ["admin", "feedback"])
        assert read(settings, run(app, ["token"]).output.strip())["roles"] == ["predict"]
        rotated = run(app, ["token", "rotate", "--revoke"])
        assert set(published(settings)) == {rotated.output.split()[6]}
        assert run(app, ["token", "--role", "king"]).exit_code == 2
    finally:
        get_settings.cache_clear()
