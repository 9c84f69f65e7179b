from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.history.mapping import load_mapping
from pipelines.history.read import read_log
from pipelines.history.schema import HistoryFiles

NOW = datetime(2024, 6, 1, tzinfo=UTC)

PLAIN = """
format = "csv"
[columns]
workflow = "case"
activity = "activity"
timestamp = "time"
"""


@dataclass(frozen=True)
class History:
    files: HistoryFiles
    events: list[dict[str, Any]]
    tasks: list[dict[str, Any]]
    workflows: list[dict[str, Any]]
    rejected: list[tuple[int, str | None, str | None, str]]

    @property
    def reasons(self) -> list[tuple[int, str]]:
        return [(row[0], row[3]) for row in self.rejected]

    def event_column(self, name: str) -> list[Any]:
        return [event[name] for event in self.events]


Read = Callable[..., History]


def load_history(files: HistoryFiles) -> History:
    def rows(path: Path) -> list[dict[str, Any]]:
        return pq.read_table(path).to_pylist()

    return History(
        files,
        rows(files.task_events),
        rows(files.tasks),
        rows(files.workflows),
        [tuple(row.values()) for row in rows(files.rejected_rows)],
    )


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read a log given as text or bytes with a mapping given as TOML."""

    def run(log: str | bytes, mapping: str = PLAIN, now: datetime = NOW) -> History:
        path = tmp_path / "log"
        path.write_bytes(log.encode() if isinstance(log, str) else log)
        told = tmp_path / "mapping.toml"
        told.write_text(mapping, encoding="utf-8")
        files = read_log(path, load_mapping(told), tmp_path / "scratch", now)
        history = load_history(files)
        assert files.rejected_count == len(history.rejected)
        return history

    return run
