"""Load a history into the source database: everything in one transaction, or nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg
import pyarrow as pa
from sqlalchemy import Connection, Engine, Table, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from pipelines.errors import SourceError
from pipelines.history.schema import HistoryFiles
from pipelines.source.database_errors import reason
from pipelines.source.merge import (
    add_events,
    add_missing,
    merge_master,
    merge_tasks,
    merge_workflows,
)
from pipelines.source.references import LOAD_LOCK, check_by_row, check_in_sets, require_all
from pipelines.source.staging import copy_rows, open_parquet, stage_chunks
from pipelines.source.tables import (
    METADATA,
    clients,
    imports,
    people,
    rejected_rows,
    task_dependencies,
    task_events,
    tasks,
    teams,
    templates,
    workflows,
)

Progress = Callable[[int, int], None]
"""Told the rows done and the rows in all."""

Merge = Callable[[Connection, Table], int]


@dataclass(frozen=True)
class LoadCounts:
    """What a load changed: rows that are new, and rows that were there before."""

    events_added: int
    events_present: int
    tasks_added: int
    tasks_present: int
    workflows_added: int
    workflows_present: int
    rejected: int


def load_history(
    engine: Engine, files: HistoryFiles, import_id: UUID, progress: Progress | None = None
) -> LoadCounts:
    """Load a history in one transaction, under an import that is added unless it is there.

    Raises:
        SourceError: a file does not fit its table, or the database refused or went away;
            nothing of the history is kept then.
    """
    try:
        with engine.begin() as connection:
            origin = str(files.task_events)
            connection.execute(
                insert(imports)
                .values(import_id=import_id, file=origin, status="loaded")
                .on_conflict_do_nothing()
            )
            return load_files(connection, files, import_id, origin, progress)
    except (SQLAlchemyError, psycopg.Error) as err:
        raise SourceError(
            f"The history was not loaded, nothing of it is kept: {reason(err)}"
        ) from err


def load_files(
    connection: Connection,
    files: HistoryFiles,
    import_id: UUID,
    origin: str,
    progress: Progress | None = None,
) -> LoadCounts:
    """Load a history inside the caller's transaction; rejected rows name `origin` as file.

    Raises:
        SourceError: a file does not fit its table.
    """
    # One load at a time: two would wait for each other's rows in turn.
    connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": LOAD_LOCK})
    # Sorting and hashing in memory; the compiler's start-up costs more than it saves.
    connection.execute(text("SET LOCAL work_mem = '128MB'"))
    connection.execute(text("SET LOCAL jit = off"))

    advance = _meter(files, progress)
    _load_master(connection, files, before_tasks=True)
    check_in_sets(connection)
    w_added, w_present = _load(connection, workflows, files.workflows, _merge_workflows, advance)
    t_added, t_present = _load(connection, tasks, files.tasks, _merge_tasks, advance)
    e_added, e_present = _load(connection, task_events, files.task_events, _add_events, advance)
    check_by_row(connection)
    _load_master(connection, files, before_tasks=False)
    return LoadCounts(
        events_added=e_added,
        events_present=e_present,
        tasks_added=t_added,
        tasks_present=t_present,
        workflows_added=w_added,
        workflows_present=w_present,
        rejected=keep_rejected_rows(connection, files.rejected_rows, import_id, origin),
    )


def keep_rejected_rows(connection: Connection, file: Path, import_id: UUID, origin: str) -> int:
    """Keep the refused rows of `origin` under their import; return how many.

    Raises:
        SourceError: the file cannot be read.
    """
    with open_parquet(file) as parquet:
        names = ["import_id", "file", *parquet.schema_arrow.names]
        batches = (
            pa.record_batch(
                [
                    pa.repeat(str(import_id), batch.num_rows),
                    pa.repeat(origin, batch.num_rows),
                    *batch.columns,
                ],
                names=names,
            )
            for batch in parquet.iter_batches()
        )
        copy_rows(connection, rejected_rows, names, batches)
        return int(parquet.metadata.num_rows)


def _load(
    connection: Connection, target: Table, file: Path, merge: Merge, advance: Callable[[int], None]
) -> tuple[int, int]:
    """Load one file; return the rows that are new and those that were there."""
    added = present = 0
    for staged, count in stage_chunks(connection, target, file):
        new = merge(connection, staged)
        added, present = added + new, present + count - new
        advance(count)
    return added, present


def _load_master(connection: Connection, files: HistoryFiles, *, before_tasks: bool) -> None:
    """Load the master tables that came along, referenced ones first.

    Only `task_dependencies` refers to tasks, so it comes after them.
    """
    by_name = {table.name: table for table in METADATA.sorted_tables}
    if unknown := sorted(set(files.master) - set(by_name)):
        raise SourceError(f"No such master table: {', '.join(unknown)}.")
    for name, target in by_name.items():
        if name in files.master and before_tasks == (target is not task_dependencies):
            for staged, _ in stage_chunks(connection, target, files.master[name]):
                merge_master(connection, target, staged)


def _merge_workflows(connection: Connection, staged: Table) -> int:
    add_missing(connection, clients, staged.c.client_id)
    add_missing(connection, templates, staged.c.template_id)
    return merge_workflows(connection, staged)


def _merge_tasks(connection: Connection, staged: Table) -> int:
    require_all(connection, staged, workflows, ["workflow_id"])
    _add_performers(connection, staged)
    return merge_tasks(connection, staged)


def _add_events(connection: Connection, staged: Table) -> int:
    require_all(connection, staged, tasks, ["workflow_id", "task_id"])
    _add_performers(connection, staged)
    return add_events(connection, staged)


def _add_performers(connection: Connection, staged: Table) -> None:
    add_missing(connection, teams, staged.c.team_id)
    add_missing(connection, people, staged.c.person_id)


def _meter(files: HistoryFiles, progress: Progress | None) -> Callable[[int], None]:
    """Make the function that is told of rows done and tells `progress` the sum."""
    total = 0
    for file in (files.workflows, files.tasks, files.task_events):
        with open_parquet(file) as parquet:
            total += parquet.metadata.num_rows
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, total)

    return advance
