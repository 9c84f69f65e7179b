"""Run a Great Expectations suite on a frame.

Suites are code (`expectations/`); the context is ephemeral but keeps its results in a
folder, so that the data docs show every stage's latest runs on one page.
"""

from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.core import ExpectationValidationResult
from great_expectations.data_context.data_context.ephemeral_data_context import (
    EphemeralDataContext,
)
from great_expectations.data_context.types.base import (
    DataContextConfig,
    FilesystemStoreBackendDefaults,
    ProgressBarsConfig,
)

from pipelines.errors import ValidationFailedError
from pipelines.validate.report import Failure, Severity, ValidationReport

_EXAMPLE_COUNT = 5


def open_context(folder: Path) -> EphemeralDataContext:
    """Open a context whose validation results and data docs live under `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    config = DataContextConfig(
        store_backend_defaults=FilesystemStoreBackendDefaults(root_directory=str(folder)),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def run_suite(frame: pd.DataFrame, suite: gx.ExpectationSuite, folder: Path) -> ValidationReport:
    """Validate `frame` (any columns, one row an observation) against `suite`.

    Args:
        frame: the batch; never changed.
        suite: expectations whose `severity` decides what a failure leads to.
        folder: where results and data docs are kept.

    Raises:
        ValidationFailedError: an expectation could not be evaluated at all, for example
            because its column is missing.
    """
    context = open_context(folder)
    batch = (
        context.data_sources.add_or_update_pandas("workcast")
        .add_dataframe_asset(suite.name)
        .add_batch_definition_whole_dataframe("batch")
    )
    definition = context.validation_definitions.add_or_update(
        gx.ValidationDefinition(
            name=suite.name, data=batch, suite=context.suites.add_or_update(suite)
        )
    )
    # Positions, not labels: GX names unexpected rows by their index.
    result = definition.run(
        batch_parameters={"dataframe": frame.reset_index(drop=True)},
        result_format={"result_format": "COMPLETE", "partial_unexpected_count": _EXAMPLE_COUNT},
    )
    failed = [outcome for outcome in result.results if not outcome.success]
    return ValidationReport(
        suite=suite.name,
        row_count=len(frame),
        expectation_count=len(result.results),
        failures=tuple(_failure(suite.name, outcome) for outcome in failed),
        quarantined=_positions(failed),
    )


def require(report: ValidationReport) -> ValidationReport:
    """Return `report`, or stop.

    Raises:
        ValidationFailedError: a critical expectation failed; names every one of them with
            its column, count and examples.
    """
    if report.critical:
        faults = "; ".join(str(failure) for failure in report.critical)
        raise ValidationFailedError(
            f"{report.suite}: {len(report.critical)} critical expectation(s) failed on "
            f"{report.row_count} rows: {faults}. Nothing downstream was changed; "
            "correct the data at its source and run the DAG again."
        )
    return report


def _severity(outcome: ExpectationValidationResult) -> Severity:
    config = outcome.expectation_config
    return Severity(config.severity.value) if config else Severity.CRITICAL


def _failure(suite: str, outcome: ExpectationValidationResult) -> Failure:
    config, found = outcome.expectation_config, outcome.result
    if config is None or (problem := _problem(outcome.exception_info)):
        kind = config.type if config else "an expectation"
        column = _column(config.kwargs) if config else "the table"
        raise ValidationFailedError(
            f"{suite}: {kind} on {column} could not be evaluated: {problem}. "
            "Check that the batch has the columns its suite names."
        )
    return Failure(
        expectation=config.type,
        column=_column(config.kwargs),
        severity=_severity(outcome),
        unexpected_count=int(found.get("unexpected_count") or 1),
        examples=tuple(map(str, found.get("partial_unexpected_list") or _observed(found))),
    )


def _problem(info: dict[str, Any] | None) -> str | None:
    """Find why an evaluation raised; GX nests that once per metric."""
    for part in [info or {}, *(info or {}).values()]:
        if isinstance(part, dict) and part.get("raised_exception"):
            return str(part.get("exception_message"))
    return None


def _observed(found: dict[str, Any]) -> list[Any]:
    """Table-level expectations have no rows to show, only what they saw."""
    return [found["observed_value"]] if found.get("observed_value") is not None else []


def _column(kwargs: dict[str, Any]) -> str:
    if "column_A" in kwargs:
        return f"{kwargs['column_A']}, {kwargs['column_B']}"
    columns = kwargs.get("column_list") or kwargs.get("column_set") or ()
    return str(kwargs.get("column") or ", ".join(columns) or "the table")


def _positions(failed: list[ExpectationValidationResult]) -> tuple[int, ...]:
    """Rows refused by a warning; a critical failure stops everything anyway."""
    positions: set[int] = set()
    for outcome in failed:
        if _severity(outcome) is Severity.WARNING:
            positions.update(outcome.result.get("unexpected_index_list") or ())
    return tuple(sorted(positions))
