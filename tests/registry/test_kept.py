from pathlib import Path

import pytest

from pipelines.contracts import Alias
from pipelines.registry.kept import KeptVersion, forget_version, keep_version, kept_version

CHAMPION, CHALLENGER = Alias.CHAMPION, Alias.CHALLENGER


def test_the_last_version_of_each_alias_is_remembered(tmp_path: Path) -> None:
    for version in ("1", "2"):
        keep_version(tmp_path, "a", CHAMPION, KeptVersion(version, "run"))
    keep_version(tmp_path, "a", CHALLENGER, KeptVersion("3", "another"))

    assert kept_version(tmp_path, "a", CHAMPION) == KeptVersion("2", "run")
    assert kept_version(tmp_path, "a", CHALLENGER) == KeptVersion("3", "another")
    assert kept_version(tmp_path, "b", CHAMPION) is None
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "challenger.json",
        "champion.json",
    ]


def test_what_is_forgotten_is_gone_and_may_be_forgotten_again(tmp_path: Path) -> None:
    keep_version(tmp_path, "a", CHAMPION, KeptVersion("1", "run"))
    for _ in range(2):
        forget_version(tmp_path, "a", CHAMPION)
    assert kept_version(tmp_path, "a", CHAMPION) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": "1"}', '{"version": 1, "run_id": 2}'])
def test_a_damaged_memory_is_none(tmp_path: Path, text: str) -> None:
    keep_version(tmp_path, "a", CHAMPION, KeptVersion("1", "run"))
    (tmp_path / "a" / "champion.json").write_text(text)
    assert kept_version(tmp_path, "a", CHAMPION) is None
