"""What workers have in hand, seen by each of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from serving.loads import Loads

_ANOTHER = """
import sys
from pathlib import Path
from serving.loads import Loads
Loads(Path(sys.argv[1]), 1).tell(0, 10.0)
print("told", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "platform" / "worker-loads"


def test_a_worker_alone_has_no_more_than_the_mean(path: Path) -> None:
    own = Loads(path, 0)
    own.tell(30, 10.0)
    assert own.excess(20.0) == pytest.approx(0)


def test_the_excess_is_above_the_mean_of_all(path: Path) -> None:
    workers = [Loads(path, number) for number in range(3)]
    for worker, count in zip(workers, (28, 4, 1), strict=True):
        worker.tell(count, 10.0)
    assert [one.excess(20.0) for one in workers] == pytest.approx([17, -7, -10])


def test_what_counts_is_the_average_of_the_last_moments(path: Path) -> None:
    own, other = Loads(path, 0), Loads(path, 1)
    other.tell(0, 10.0)
    own.tell(20, 10.0)
    assert own.excess(10.0) == 0
    assert own.excess(10.1) == pytest.approx(10 * (1 - 1 / 2.718281828), rel=1e-6)
    own.tell(10, 10.1)
    own.tell(20, 10.1)  # a moment without duration changes nothing
    assert own.excess(10.1) == pytest.approx(10 * (1 - 1 / 2.718281828), rel=1e-6)
    own.tell(0, 11.0)
    assert 0 < own.excess(11.2) < 2


def test_who_has_left_does_not_count(path: Path) -> None:
    own, other = Loads(path, 0), Loads(path, 1)
    own.tell(30, 10.0)
    other.tell(0, 10.0)
    assert own.excess(20.0) == pytest.approx(15)
    other.leave()
    assert own.excess(20.0) == pytest.approx(0)


def test_who_has_ended_without_a_word_does_not_count(path: Path) -> None:
    own, other = Loads(path, 0), Loads(path, 1)
    own.tell(30, 10.0)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    other._own = other._own._replace(process_id=ended.pid)
    other.tell(0, 10.0)
    assert own.excess(20.0) == pytest.approx(0)


def test_what_is_left_from_before_the_machine_started_anew_breaks_nothing(path: Path) -> None:
    own, left = Loads(path, 0), Loads(path, 1)
    left.tell(30, 1_000_000.0)  # the clock began again since
    own.tell(4, 10.0)
    assert -30 <= own.excess(20.0) <= 4


def test_workers_of_another_service_do_not_count(path: Path) -> None:
    own = Loads(path, 0)
    own.tell(30, 10.0)
    with subprocess.Popen(
        [sys.executable, "-c", _ANOTHER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as another:
        assert another.stdout is not None
        assert another.stdout.readline() == b"told\n"
        assert own.excess(20.0) == pytest.approx(0)
        another.communicate()


def test_only_its_user_can_read_the_file(path: Path) -> None:
    Loads(path, 0)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        Loads(path, 0)
    assert not (tmp_path / "elsewhere").exists()


def test_a_full_disk_is_told_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        Loads(path, 0)
