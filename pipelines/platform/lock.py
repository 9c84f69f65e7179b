"""One command at a time works on a platform's home."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout
from rich.console import Console

from pipelines.errors import PlatformError

_LOCK_WAIT_S: Final = 900


@contextmanager
def alone(home: Path, console: Console) -> Iterator[None]:
    """Hold the lock of this home, so that two commands do not work on it at the same time."""
    path = home / "supervisor" / "lock"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        console.print(f"Another command is at work on {home}: waiting for it.")
        try:
            lock.acquire(timeout=_LOCK_WAIT_S)
        except Timeout as err:
            raise PlatformError(
                f"Another `workcast up` or `down` has been at work on {home} for "
                f"{_LOCK_WAIT_S} s: wait for it or end it, then try again."
            ) from err
    try:
        yield
    finally:
        lock.release()
