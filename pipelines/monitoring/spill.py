"""Predictions that wait on disk while the database is away: one file a batch."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from pipelines.monitoring.prediction import LoggedPrediction, from_json, to_json


class Spill:
    """A folder of JSON-lines files, each written whole; several processes may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, predictions: Sequence[LoggedPrediction]) -> Path:
        """Write a batch to a file of its own, whole or not at all, and on the disk."""
        # The earliest request names the file, so that files sort in the order of asking.
        first = min(p.requested_at for p in predictions)
        path = self.folder / f"{first:%Y%m%dT%H%M%S%f}-{uuid4().hex}.jsonl"
        self._write(path, to_json(predictions))
        return path

    def waiting(self) -> list[Path]:
        """Return the files that wait, in the order of asking."""
        return sorted(self.folder.glob("*.jsonl"))

    def read(self, path: Path) -> list[LoggedPrediction]:
        """Read a batch back; empty where another process has taken the file away.

        Raises:
            ValueError: the file holds something else.
        """
        try:
            return from_json(path.read_bytes())
        except FileNotFoundError:
            return []

    def done(self, path: Path) -> None:
        """Remove a batch that is in the database."""
        path.unlink(missing_ok=True)

    def set_aside(self, path: Path) -> Path:
        """Keep a file that cannot be read under a name that is not tried again."""
        aside = path.with_suffix(".unreadable")
        with contextlib.suppress(FileNotFoundError):
            path.replace(aside)
        return aside

    def refuse(self, prediction: LoggedPrediction) -> Path:
        """Keep a prediction that the database refuses, for a person to look at."""
        path = self.folder / f"{prediction.prediction_id}.refused"
        self._write(path, to_json([prediction]))
        return path

    def _write(self, path: Path, content: bytes) -> None:
        aside = path.with_name(f"{path.name}.{uuid4().hex}.part")
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
