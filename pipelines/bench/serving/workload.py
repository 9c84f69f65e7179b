"""The recorded workload: who opened which workflow on the last day of work before the clock.

The law, which draws nothing: every event of the history is somebody at a screen. When it is done
they are back at their worklist, which shows the running workflows they had to do with, the last
ten, the latest first, and asks once about each. The day is the latest one before the clock on
which somebody did something to a workflow that still runs. How often an answer is asked for again
follows from how the company works, and from nothing that the benchmark chooses.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import pandas as pd

from pipelines.errors import BenchmarkError

_LIST_LENGTH: Final = 10


@dataclass(frozen=True)
class Opening:
    """A workflow that a worklist shows."""

    at: datetime
    person_id: str
    workflow_id: str


def workload(views: pd.DataFrame) -> list[Opening]:
    """Derive the openings of the last day.

    Args:
        views: events of running workflows: occurred_at (UTC), person_id, workflow_id; in order.
    """
    days = views["occurred_at"].dt.floor("D")
    last = days.max()
    lists: dict[str, list[str]] = {}
    openings = []
    rows = zip(days, views["occurred_at"], views["person_id"], views["workflow_id"], strict=True)
    for day, at, person_id, workflow_id in rows:
        before = [one for one in lists.get(person_id, ()) if one != workflow_id]
        shown = lists[person_id] = [workflow_id, *before][:_LIST_LENGTH]
        if day == last:
            openings += [Opening(at.to_pydatetime(), person_id, one) for one in shown]
    return openings


def write_workload(path: Path, openings: Iterable[Opening]) -> None:
    """Write the workload as JSON lines.

    Raises:
        BenchmarkError: the file cannot be written.
    """
    lines = [json.dumps({**asdict(one), "at": one.at.isoformat()}) + "\n" for one in openings]
    try:
        path.write_text("".join(lines), encoding="utf-8")
    except OSError as err:
        raise BenchmarkError(f"Cannot write the workload to {path}: {err.strerror}.") from err
