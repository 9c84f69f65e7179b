"""Validate the feature views in the lake."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import great_expectations as gx
import pyarrow as pa

from pipelines.contracts import FEATURES_FOLDER
from pipelines.errors import ValidationFailedError
from pipelines.extract.lake import list_partitions, read_partition
from pipelines.validate.report import ValidationReport
from pipelines.validate.run import require, run_suite

logger = logging.getLogger(__name__)

# Of a larger view the newest partitions are checked, and the rest when they were newest.
BATCH_ROWS: Final = 400_000


def validate_features(
    lake: str, suites: Mapping[str, gx.ExpectationSuite], docs: Path
) -> list[ValidationReport]:
    """Run each view's suite on the view's newest rows.

    Args:
        lake: root of the lake.
        suites: suite by view.
        docs: folder of validation results.

    Raises:
        ValidationFailedError: no view holds a row, or a critical expectation failed.
    """
    tables = {view: _newest(lake, view) for view in suites}
    if not any(rows.num_rows for rows in tables.values() if rows is not None):
        raise ValidationFailedError(
            f"No feature view under {lake}/{FEATURES_FOLDER} holds a row: extract a history first."
        )
    reports = [
        run_suite(rows.to_pandas(), suites[view], docs)
        for view, rows in tables.items()
        if rows is not None
    ]
    for report in reports:
        for failure in report.failures:
            if failure not in report.critical:
                logger.warning("%s: %s", report.suite, failure)
    return [require(report) for report in reports]


def _newest(lake: str, view: str) -> pa.Table | None:
    """Read whole partitions from the newest back, until the batch is full."""
    parts: list[pa.Table] = []
    for start in reversed(list_partitions(lake, f"{FEATURES_FOLDER}/{view}")):
        parts.insert(0, read_partition(lake, f"{FEATURES_FOLDER}/{view}", start))
        if sum(part.num_rows for part in parts) >= BATCH_ROWS:
            break
    return pa.concat_tables(parts) if parts else None
