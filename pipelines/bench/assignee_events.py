"""Read event logs as the assignee recommender learns them: who did what, when, in which file."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow.parquet as pq

from pipelines.errors import BenchmarkError
from pipelines.history.choose import choose_mapping
from pipelines.history.mapping import load_mapping
from pipelines.history.read import read_log

UNKNOWN: Final = "(not told)"
_COLUMNS: Final = ["workflow_id", "activity", "person_id", "team_id", "occurred_at", "row_number"]


def read_events(paths: Sequence[Path], mapping_path: Path | None, folder: Path) -> pd.DataFrame:
    """Read event logs; each workflow's events are in order of time, then of the file.

    Whom a log names as persons are the people; where it names none, its teams are. An event
    that names nobody is one of somebody called `UNKNOWN`.

    Args:
        paths: logs of one format; no workflow may occur in two.
        mapping_path: what their columns mean; None takes the shipped mapping that fits.
        folder: for what is read; nothing else may be in it.

    Returns:
        workflow_id, activity, person_id, as_of, log (position of the file).

    Raises:
        BenchmarkError: a workflow occurs in two logs, or they name neither persons nor teams.
        LogFormatError, MappingError: see `read_log`.
    """
    mapping = load_mapping(mapping_path) if mapping_path else choose_mapping(paths[0])
    logs = []
    for number, path in enumerate(paths):
        scratch = folder / f"log{number}"
        read_log(path, mapping, scratch, datetime.now(UTC))
        rows = pq.read_table(scratch / "log_rows.parquet", columns=_COLUMNS).to_pandas()
        logs.append(rows.assign(log=number))
    events = pd.concat(logs, ignore_index=True).rename(columns={"occurred_at": "as_of"})
    log_count = events.groupby("workflow_id")["log"].nunique()
    if (log_count > 1).any():
        raise BenchmarkError(
            f"Workflow {log_count.idxmax()!r} occurs in two logs; give logs of their own."
        )
    who = next((n for n in ("person_id", "team_id") if events[n].notna().any()), None)
    if who is None:
        raise BenchmarkError(f"{paths[0]} names neither persons nor teams: nobody can be ranked.")
    events = events.sort_values(["log", "as_of", "row_number"], kind="stable", ignore_index=True)
    events["person_id"] = events[who].fillna(UNKNOWN)
    told: pd.DataFrame = events[["workflow_id", "activity", "person_id", "as_of", "log"]]
    return told
