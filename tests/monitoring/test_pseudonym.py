import stat
from pathlib import Path

import pytest

from pipelines.errors import MonitoringError
from pipelines.monitoring.pseudonym import Pseudonyms, open_pseudonyms
from pipelines.settings import Settings


def settings(home: Path, **fields: object) -> Settings:
    return Settings(home=home, _env_file=None, **fields)  # type: ignore[arg-type]


def test_is_the_start_of_the_keyed_hash() -> None:
    # RFC 4231, test case 2: HMAC-SHA-256 with the key "Jefe".
    assert Pseudonyms(b"Jefe").of("what do ya want for nothing?") == (
        "5bdcc146bf60754e6a042426089575c7"
    )


def test_key_of_the_home_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    home = tmp_path / "home"
    name = open_pseudonyms(settings(home)).of("ann")
    assert open_pseudonyms(settings(home)).of("ann") == name
    assert [path.name for path in home.iterdir()] == ["audit_key"]
    assert stat.S_IMODE((home / "audit_key").stat().st_mode) == 0o600
    other = open_pseudonyms(settings(tmp_path / "other home"))
    assert other.of("ann") != name


def test_key_of_the_settings_comes_first(tmp_path: Path) -> None:
    one, two = (open_pseudonyms(settings(tmp_path, audit_key=c * 32)).of("ann") for c in "ab")
    assert one != two
    assert list(tmp_path.iterdir()) == []


def test_damaged_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "audit_key").write_text("")
    with pytest.raises(MonitoringError, match="holds no key"):
        open_pseudonyms(settings(tmp_path))
