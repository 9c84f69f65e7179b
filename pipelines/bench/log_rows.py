"""Events of logs in their own order, with what each said, and nothing computed."""

import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow.parquet as pq

from pipelines.errors import BenchmarkError
from pipelines.history.choose import choose_mapping
from pipelines.history.mapping import load_mapping
from pipelines.history.read import read_log

Progress = Callable[[str], None]

_COLUMNS: Final = [
    "workflow_id",
    "activity",
    "transition",
    "person_id",
    "team_id",
    "occurred_at",
    "row_number",
    "template_id",
    "client_id",
    "priority",
    "workflow_attributes",
    "task_attributes",
]


def read_rows(
    paths: Sequence[Path], mapping_path: Path | None, progress: Progress = lambda _: None
) -> pd.DataFrame:
    """Read every event of event logs, duplicates included.

    Args:
        paths: logs of one format; no workflow may occur in two.
        mapping_path: what their columns mean; None takes the shipped mapping that fits.
        progress: told what is read.

    Returns:
        In order of log, workflow, time and row: log (position of the file), as_of (when it
        happened) and what the row says, as `history.schema.LOG_ROWS` names it.

    Raises:
        BenchmarkError: a workflow occurs in two logs.
        LogFormatError, MappingError: see `read_log`.
    """
    mapping = load_mapping(mapping_path) if mapping_path else choose_mapping(paths[0])
    rows = []
    for number, path in enumerate(paths):
        progress(f"reading {path.name}")
        with tempfile.TemporaryDirectory(prefix="workcast-bench-") as scratch:
            read_log(path, mapping, Path(scratch), datetime.now(UTC))
            table = pq.read_table(Path(scratch) / "log_rows.parquet", columns=_COLUMNS)
        rows.append(table.to_pandas().assign(log=number))
    everything: pd.DataFrame = pd.concat(rows).rename(columns={"occurred_at": "as_of"})
    logs_of = everything.groupby("workflow_id")["log"].nunique()
    if logs_of.max() > 1:
        raise BenchmarkError(
            f"Workflow {logs_of.idxmax()!r} occurs in two logs; give logs of their own."
        )
    return everything.sort_values(["log", "workflow_id", "as_of", "row_number"], ignore_index=True)
