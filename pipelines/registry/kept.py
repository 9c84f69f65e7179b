"""Remember on disk which version an alias named last, for a start without the registry.

One small file for each model and alias beside the cache of versions; it is replaced whole, so
that several processes may write it.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from pipelines.contracts import Alias


@dataclass(frozen=True)
class KeptVersion:
    """A version whose files lie in the cache."""

    version: str
    run_id: str


def keep_version(cache: Path, name: str, alias: Alias, kept: KeptVersion) -> None:
    """Remember the version that an alias names, whole or not at all, and on the disk."""
    path = _path(cache, name, alias)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{uuid4().hex}")
    with aside.open("w", encoding="utf-8") as file:
        json.dump(asdict(kept), file)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def forget_version(cache: Path, name: str, alias: Alias) -> None:
    """Forget it: the alias names no version any more."""
    _path(cache, name, alias).unlink(missing_ok=True)


def kept_version(cache: Path, name: str, alias: Alias) -> KeptVersion | None:
    """Return the version that an alias named last; None where none is remembered."""
    try:
        kept = KeptVersion(**json.loads(_path(cache, name, alias).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return kept if isinstance(kept.version, str) and isinstance(kept.run_id, str) else None


def _path(cache: Path, name: str, alias: Alias) -> Path:
    return cache / name / f"{alias.value}.json"
