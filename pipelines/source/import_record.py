"""The record of every import: which file was read how, what it added, or why it failed."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Connection, delete, func, insert, select

from pipelines.history.schema import HistoryFiles
from pipelines.source.load import LoadCounts
from pipelines.source.tables import imports, rejected_rows

LOADED = "loaded"
FAILED = "failed"


@dataclass(frozen=True)
class Origin:
    """What was read and how: the same origin is loaded once."""

    file: str
    sha256: str  # of the file's bytes
    mapping: str | None  # its name
    mapping_sha256: str  # of its content


@dataclass(frozen=True)
class ImportSummary:
    """What an import did; `recorded_at` of everything the file tells, None without events."""

    import_id: UUID
    file: str
    sha256: str
    mapping: str | None
    rows_read: int
    events_added: int
    events_present: int
    tasks_added: int
    tasks_present: int
    workflows_added: int
    workflows_present: int
    rejected: dict[str, int]  # rows by reason
    first_recorded_at: datetime | None
    last_recorded_at: datetime | None
    seconds: float
    already_imported: bool

    @property
    def rejected_count(self) -> int:
        """Refused rows of every reason."""
        return sum(self.rejected.values())


def find_import(connection: Connection, origin: Origin) -> ImportSummary | None:
    """Return what is known of the origin if it has been loaded: it adds nothing more."""
    row = connection.execute(
        select(imports).where(
            imports.c.sha256 == origin.sha256,
            imports.c.mapping_sha256 == origin.mapping_sha256,
            imports.c.status == LOADED,
        )
    ).one_or_none()
    if row is None:
        return None
    reasons = connection.execute(
        select(rejected_rows.c.reason, func.count())
        .where(rejected_rows.c.import_id == row.import_id)
        .group_by(rejected_rows.c.reason)
        .order_by(rejected_rows.c.reason)
    )
    return ImportSummary(
        import_id=row.import_id,
        file=row.file,
        sha256=origin.sha256,
        mapping=row.mapping,
        rows_read=row.read_count,
        events_added=0,
        events_present=row.events_added_count + row.events_present_count,
        tasks_added=0,
        tasks_present=row.tasks_added_count + row.tasks_present_count,
        workflows_added=0,
        workflows_present=row.workflows_added_count + row.workflows_present_count,
        rejected={row[0]: row[1] for row in reasons},
        first_recorded_at=_utc(row.first_recorded_at),
        last_recorded_at=_utc(row.last_recorded_at),
        seconds=0.0,
        already_imported=True,
    )


def open_import(
    connection: Connection,
    import_id: UUID,
    origin: Origin,
    files: HistoryFiles,
    failure: str | None = None,
) -> None:
    """Record an import, with the reason where it failed.

    A failure replaces the record of an earlier failure of the same origin, so that trying
    again does not pile up the same refused rows.
    """
    if failure is not None:
        connection.execute(
            delete(imports).where(
                imports.c.sha256 == origin.sha256,
                imports.c.mapping_sha256 == origin.mapping_sha256,
                imports.c.status == FAILED,
            )
        )
    first, last = recorded_span(files)
    connection.execute(
        insert(imports).values(
            import_id=import_id,
            file=origin.file,
            sha256=origin.sha256,
            mapping=origin.mapping,
            mapping_sha256=origin.mapping_sha256,
            status=LOADED if failure is None else FAILED,
            message=failure,
            finished_at=func.clock_timestamp() if failure else None,
            read_count=files.read_count,
            rejected_count=files.rejected_count,
            first_recorded_at=first,
            last_recorded_at=last,
        )
    )


def close_import(connection: Connection, import_id: UUID, counts: LoadCounts) -> None:
    """Complete the record of an import with what it changed."""
    connection.execute(
        imports.update()
        .where(imports.c.import_id == import_id)
        .values(
            finished_at=func.clock_timestamp(),
            events_added_count=counts.events_added,
            events_present_count=counts.events_present,
            tasks_added_count=counts.tasks_added,
            tasks_present_count=counts.tasks_present,
            workflows_added_count=counts.workflows_added,
            workflows_present_count=counts.workflows_present,
        )
    )


def recorded_span(files: HistoryFiles) -> tuple[datetime | None, datetime | None]:
    """Return the first and the last `recorded_at` (UTC) that the files tell of."""
    bounds = [
        pc.min_max(pq.read_table(path, columns=[column], partitioning=None)[column]).as_py()
        for path, column in (
            (files.task_events, "recorded_at"),
            (files.workflows, "recorded_at"),
            (files.workflows, "closure_recorded_at"),
        )
    ]
    known = [moment for bound in bounds for moment in bound.values() if moment is not None]
    return _utc(min(known, default=None)), _utc(max(known, default=None))


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
