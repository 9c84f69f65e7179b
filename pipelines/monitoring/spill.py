"""Entries of a log that wait on disk while the database is away: one file a batch."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar
from uuid import uuid4

from pydantic import TypeAdapter

from pipelines.monitoring.json_text import json_text


class Entry(Protocol):
    """One row of a log."""

    @property
    def key(self) -> str:
        """What tells it from every other entry."""

    @property
    def at(self) -> datetime:
        """When it came to be."""

    def row(self) -> dict[str, Any]:
        """Return the table's columns."""


E = TypeVar("E", bound=Entry)


class Spill(Generic[E]):
    """A folder of JSON-lines files, each written whole; several processes may share it.

    `kind` is the dataclass of the entries; its fields are the columns of `row`.
    """

    def __init__(self, folder: Path, kind: type[E]) -> None:
        self.folder = folder
        self.columns = [field.name for field in fields(kind)]  # type: ignore[arg-type]
        self._adapter = TypeAdapter(kind)
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, entries: Sequence[E]) -> Path:
        """Write a batch to a file of its own, whole or not at all, and on the disk."""
        # The earliest entry names the file, so that files sort in the order of asking.
        first = min(entry.at for entry in entries)
        path = self.folder / f"{first:%Y%m%dT%H%M%S%f}-{uuid4().hex}.jsonl"
        self._write(path, entries)
        return path

    def waiting(self) -> list[Path]:
        """Return the files that wait, in the order of asking."""
        return sorted(self.folder.glob("*.jsonl"))

    def read(self, path: Path) -> list[E]:
        """Read a batch back; empty where another process has taken the file away.

        Values that JSON does not have (not finite numbers) come back as null.

        Raises:
            ValueError: the file holds something else.
        """
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [self._adapter.validate_json(line) for line in lines if line.strip()]

    def done(self, path: Path) -> None:
        """Remove a batch that is in the database."""
        path.unlink(missing_ok=True)

    def set_aside(self, path: Path) -> Path:
        """Keep a file that cannot be read under a name that is not tried again."""
        aside = path.with_suffix(".unreadable")
        with contextlib.suppress(FileNotFoundError):
            path.replace(aside)
        return aside

    def refuse(self, entry: E) -> Path:
        """Keep an entry that the database refuses, for a person to look at."""
        path = self.folder / f"{entry.key}.refused"
        self._write(path, [entry])
        return path

    def _write(self, path: Path, entries: Sequence[E]) -> None:
        aside = path.with_name(f"{path.name}.{uuid4().hex}.part")
        with aside.open("wb") as file:
            for entry in entries:
                file.write(json_text(entry.row()).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
