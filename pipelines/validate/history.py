"""Validate the history in the lake: good rows go on, refused rows to quarantine.

History partitions are never rewritten here. A refused row is copied to
`quarantine/<table>/interval=<start>/part.parquet`, and whoever reads the history leaves out
the keys found there.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import great_expectations as gx
import pandas as pd
import pyarrow as pa

from pipelines.contracts import HISTORY_FOLDER, QUARANTINE_FOLDER, HistoryTable
from pipelines.extract.lake import (
    list_partitions,
    read_partition,
    remove_partition,
    replace_partition,
)
from pipelines.validate.report import ValidationReport
from pipelines.validate.run import require, run_suite

# A batch holds whole partitions, up to about this many rows: a run costs half a second
# whatever its size, and a pandas frame of this many rows some hundred megabytes.
BATCH_ROWS: Final = 300_000

Batch = dict[datetime, pa.Table]


def validate_history(
    lake: str, suites: Mapping[str, gx.ExpectationSuite], docs: Path, batch_rows: int = BATCH_ROWS
) -> list[ValidationReport]:
    """Validate every partition of every history table and renew its quarantine.

    Args:
        lake: root of the lake.
        suites: suite by table.
        docs: folder of validation results.
        batch_rows: rows that one run takes at most, unless a single partition has more.

    Returns:
        One report a batch.

    Raises:
        ValidationFailedError: a critical expectation failed; no quarantine was changed for
            that batch.
    """
    reports = []
    for table in HistoryTable:
        for batch in _batches(lake, table, batch_rows):
            rows = pa.concat_tables(batch.values())
            report = require(run_suite(rows.to_pandas(), suites[table], docs))
            _quarantine(lake, table, batch, report)
            reports.append(report)
    return reports


def _batches(lake: str, table: HistoryTable, most: int) -> Iterator[Batch]:
    batch: Batch = {}
    for start in list_partitions(lake, f"{HISTORY_FOLDER}/{table}"):
        rows = read_partition(lake, f"{HISTORY_FOLDER}/{table}", start)
        if batch and sum(part.num_rows for part in batch.values()) + rows.num_rows > most:
            yield batch
            batch = {}
        batch[start] = rows
    if batch:
        yield batch


def _quarantine(lake: str, table: HistoryTable, batch: Batch, report: ValidationReport) -> None:
    """Replace the quarantine of each partition of the batch by what this run refused."""
    refused = pd.Index(report.quarantined)
    offset = 0
    for start, rows in batch.items():
        inside = refused[(refused >= offset) & (refused < offset + rows.num_rows)] - offset
        offset += rows.num_rows
        if len(inside):
            replace_partition(lake, f"{QUARANTINE_FOLDER}/{table}", start, rows.take(list(inside)))
        else:
            remove_partition(lake, f"{QUARANTINE_FOLDER}/{table}", start)
