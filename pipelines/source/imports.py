"""Import an event log, or a simulated company, into the source database."""

import hashlib
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import SQLAlchemyError

from pipelines.errors import ImportFailedError, SourceError
from pipelines.history.choose import choose_mapping
from pipelines.history.mapping import Mapping
from pipelines.history.read import read_log
from pipelines.history.schema import HistoryFiles
from pipelines.source.database_errors import reason
from pipelines.source.import_record import (
    ImportSummary,
    Origin,
    close_import,
    find_import,
    open_import,
    recorded_span,
)
from pipelines.source.load import keep_rejected_rows, load_files
from pipelines.source.references import LOAD_LOCK
from pipelines.source.tables import workflows

ImportProgress = Callable[[str, int, int], None]
"""Told the step (`READING` in bytes, `LOADING` in rows), how much is done, and of how much."""

READING: Final = "reading"
LOADING: Final = "loading"
_EXAMPLES: Final = 5


def import_log(
    engine: Engine,
    path: Path,
    mapping: Mapping | None = None,
    *,
    max_rejected_ratio: float,
    now: datetime,
    progress: ImportProgress | None = None,
) -> ImportSummary:
    """Import an event log, all of it or nothing; the same file and mapping add nothing twice.

    Refused rows are kept in `workcast.rejected_rows` in either case.

    Args:
        engine: the source database.
        path: the log, CSV or XES, plain or gzip.
        mapping: what its columns mean; None takes the shipped mapping that fits.
        max_rejected_ratio: the import fails when more than this share of the rows is refused.
        now: the present; later times are impossible.
        progress: called as the work goes on.

    Raises:
        ImportFailedError: the file cannot be read, or too many of its rows are refused.
        LogFormatError: the file is no log.
        MappingError: no mapping fits, or the one given does not.
        SourceError: the database refused or went away.
    """
    begun = time.monotonic()
    sha256 = _sha256(path)
    mapping = mapping or choose_mapping(path)
    origin = Origin(str(path.resolve()), sha256, mapping.name, _mapping_sha256(mapping))
    with engine.connect() as connection:
        if (known := find_import(connection, origin)) is not None:
            return known
    with tempfile.TemporaryDirectory(prefix="workcast-import-") as scratch:
        reading = partial(progress, READING) if progress else None
        files = read_log(path, mapping, Path(scratch), now, reading)
        if files.rejected_count > max_rejected_ratio * files.read_count:
            raise ImportFailedError(_keep_failure(engine, origin, files, max_rejected_ratio))
        return _load(engine, origin, files, begun, progress)


def load_simulated(
    engine: Engine, files: HistoryFiles, label: str, progress: ImportProgress | None = None
) -> ImportSummary:
    """Load the history of a simulated company; `label` names it in the imports.

    Raises:
        ImportFailedError: the database holds another history. Simulated ids are counted from
            one, so two simulations would become one muddle.
        SourceError: a file does not fit its table, or the database refused or went away.
    """
    begun = time.monotonic()
    origin = Origin(label, _sha256(files.task_events), None, "simulated")
    with engine.connect() as connection:
        is_known = find_import(connection, origin) is not None
        if not is_known and connection.execute(select(workflows.c.workflow_id).limit(1)).first():
            raise ImportFailedError(
                f"The {label} was not loaded: the source database holds another history already. "
                "Simulate into an empty one: set WORKCAST_HOME to a new folder, or "
                "WORKCAST_DATABASE_URL to an empty database."
            )
    return _load(engine, origin, files, begun, progress)


def _load(
    engine: Engine,
    origin: Origin,
    files: HistoryFiles,
    begun: float,
    progress: ImportProgress | None,
) -> ImportSummary:
    import_id = uuid4()
    loading = partial(progress, LOADING) if progress else None
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": LOAD_LOCK})
            # Somebody else may have loaded the same file while this process read it.
            if (known := find_import(connection, origin)) is not None:
                return known
            open_import(connection, import_id, origin, files)
            counts = load_files(connection, files, import_id, origin.file, loading)
            close_import(connection, import_id, counts)
            span = recorded_span(files)
    except (SQLAlchemyError, psycopg.Error) as err:
        raise SourceError(
            f"{origin.file} was not loaded, nothing of it is kept: {reason(err)}. "
            "Check the database and its disk, then import again."
        ) from err
    return ImportSummary(
        import_id=import_id,
        file=origin.file,
        sha256=origin.sha256,
        mapping=origin.mapping,
        rows_read=files.read_count,
        events_added=counts.events_added,
        events_present=counts.events_present,
        tasks_added=counts.tasks_added,
        tasks_present=counts.tasks_present,
        workflows_added=counts.workflows_added,
        workflows_present=counts.workflows_present,
        rejected=_reasons(files),
        first_recorded_at=span[0],
        last_recorded_at=span[1],
        seconds=time.monotonic() - begun,
        already_imported=False,
    )


def _keep_failure(
    engine: Engine, origin: Origin, files: HistoryFiles, max_rejected_ratio: float
) -> str:
    """Record the failed import with its refused rows; return what to tell."""
    import_id = uuid4()
    ratio = files.rejected_count / files.read_count
    reasons = "; ".join(f"{reason}: {count:,}" for reason, count in _reasons(files).items())
    message = (
        f"{origin.file} was not imported: {files.rejected_count:,} of {files.read_count:,} rows "
        f"({ratio:.1%}) were refused, more than {max_rejected_ratio:.1%}. Reasons: {reasons}. "
        f"First: {_examples(files)}. All of them are in workcast.rejected_rows under import "
        f"{import_id}. Correct the mapping {origin.mapping!r} or the file, or allow a larger "
        "share with WORKCAST_MAX_REJECTED_RATIO."
    )
    try:
        with engine.begin() as connection:
            open_import(connection, import_id, origin, files, failure=message)
            keep_rejected_rows(connection, files.rejected_rows, import_id, origin.file)
    except (SQLAlchemyError, psycopg.Error) as err:
        raise SourceError(f"{message} They could not be kept: {reason(err)}") from err
    return message


def _reasons(files: HistoryFiles) -> dict[str, int]:
    column = pq.read_table(files.rejected_rows, columns=["reason"])["reason"]
    pairs = [(pair["values"], pair["counts"]) for pair in pc.value_counts(column).to_pylist()]
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def _examples(files: HistoryFiles) -> str:
    batch = next(pq.ParquetFile(files.rejected_rows).iter_batches(_EXAMPLES))
    told = []
    for row in batch.to_pylist():
        where = f"row {row['row_number']}"
        if row["column_name"] is not None:
            where += f", column {row['column_name']!r}, value {row['value']!r}"
        told.append(f"{where}: {row['reason']}")
    return "; ".join(told)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as err:
        raise ImportFailedError(
            f"Cannot read {path}: {err.strerror}. Give the path of a readable event log."
        ) from err


def _mapping_sha256(mapping: Mapping) -> str:
    """Digest what a mapping says; its name says nothing."""
    content = mapping.model_dump_json(exclude={"name"}, exclude_defaults=True)
    return hashlib.sha256(content.encode()).hexdigest()
