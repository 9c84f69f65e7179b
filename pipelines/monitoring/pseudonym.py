"""Names of callers that say who is the same, not who it is."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from pipelines.errors import MonitoringError
from pipelines.settings import Settings

_SHORTEST_KEY: Final = 32


class Pseudonyms:
    """A keyed hash (HMAC-SHA-256, RFC 2104): without the key nobody can try names out."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, subject: str) -> str:
        """Return the pseudonym of a subject: 32 hexadecimal digits, ever the same."""
        return hmac.digest(self._key, subject.encode(), hashlib.sha256).hex()[:32]


def open_pseudonyms(settings: Settings) -> Pseudonyms:
    """Take the key of the settings, or that of the home, made the first time.

    Raises:
        MonitoringError: the file of the key holds none.
    """
    if settings.audit_key is not None:
        return Pseudonyms(settings.audit_key.get_secret_value().encode())
    path = settings.home / "audit_key"
    key = _made_once(path)
    if len(key) < _SHORTEST_KEY:
        raise MonitoringError(
            f"{path} holds no key: restore it; or remove it and have a new one made, under which "
            "the same caller gets another pseudonym."
        )
    return Pseudonyms(key)


def _made_once(path: Path) -> bytes:
    """Read the key; the first of several processes makes it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    if not path.exists():
        unfinished.touch(mode=0o600)
        unfinished.write_text(secrets.token_urlsafe(_SHORTEST_KEY))
        try:
            path.hardlink_to(unfinished)  # fails where another process was first
        except FileExistsError:
            pass
        finally:
            unfinished.unlink()
    return path.read_bytes()
