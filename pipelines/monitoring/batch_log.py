"""Bring entries to a table, in batches, off the path of the requests that make them.

Requests append to a queue in memory; one thread empties it into PostgreSQL several times a
second. While the database is away batches go to files and come back when it does. Each entry
has a key that the table holds once, so writing one twice leaves one.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, Self

from sqlalchemy import (
    URL,
    Connection,
    Table,
    Text,
    bindparam,
    cast,
    column,
    create_engine,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSON, Insert, insert
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from pipelines.monitoring.json_text import json_text
from pipelines.monitoring.spill import E, Spill

logger = logging.getLogger(__name__)

_CONNECT_SECONDS: Final = 3
_STATEMENT_MS: Final = 15_000
_ROWS: Final = "rows"


@dataclass(frozen=True)
class LogCounts:
    """What became of the entries of this process so far."""

    queued_count: int
    written_count: int  # rows handed to the database, replayed ones included
    spilled_count: int
    refused_count: int  # kept in files for a person to look at
    lost_count: int
    waiting_file_count: int
    is_database_away: bool


class BatchLog(Generic[E]):
    """Write entries in the background; `add` never waits for the database.

    `noun` is what the messages call the entries.
    """

    def __init__(
        self,
        database: URL,
        table: Table,
        spill: Spill[E],
        noun: str,
        *,
        flush_seconds: float = 0.25,
        retry_seconds: float = 2.0,
        batch_rows: int = 1_000,
        max_queued: int = 20_000,
    ) -> None:
        # A hanging database must neither hold the thread for ever nor the shutdown.
        self._engine = create_engine(
            database,
            pool_size=1,
            connect_args={
                "connect_timeout": _CONNECT_SECONDS,
                "options": f"-c statement_timeout={_STATEMENT_MS}",
            },
        )
        self._insertion = _insertion(table, spill.columns)
        self._spill = spill
        self._noun = noun
        self._flush_seconds = flush_seconds
        self._retry_seconds = retry_seconds
        self._batch_rows = batch_rows
        self._max_queued = max_queued
        self._queue: deque[E] = deque()
        self._stopping = threading.Event()
        self._away_until = 0.0
        self._written = self._spilled = self._refused = self._lost = 0
        self._thread = threading.Thread(target=self._work, name=f"log of {noun}", daemon=True)

    def start(self) -> Self:
        """Start the writing thread; what earlier processes left on disk is replayed first."""
        self._thread.start()
        return self

    def add(self, entries: Sequence[E]) -> None:
        """Take entries over; with a full queue they go to disk at once."""
        if len(self._queue) + len(entries) <= self._max_queued:
            self._queue.extend(entries)
        elif not self._put_aside(entries):
            self._lost += len(entries)
            logger.error("%d %s are lost: queue and disk are full", len(entries), self._noun)

    def close(self, timeout_seconds: float = 10.0) -> None:
        """Write what is queued, to disk if the database is away, and stop the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)
        while batch := self._take():  # only after a time-out: the thread empties it otherwise
            if not self._put_aside(batch):
                self._lost += len(batch)
                logger.error("%d %s are lost: no database and no disk", len(batch), self._noun)
        self._engine.dispose()

    @property
    def counts(self) -> LogCounts:
        """Return what became of the entries so far."""
        return LogCounts(
            queued_count=len(self._queue),
            written_count=self._written,
            spilled_count=self._spilled,
            refused_count=self._refused,
            lost_count=self._lost,
            waiting_file_count=len(self._spill.waiting()),
            is_database_away=self.is_away,
        )

    @property
    def is_away(self) -> bool:
        """Whether the database did not take the last batch."""
        return self._away_until > 0

    def _work(self) -> None:
        while True:
            is_last = self._stopping.wait(self._flush_seconds)
            try:
                self._empty()
                self._replay()
            except Exception:  # the thread must outlive whatever a disk or driver throws
                logger.exception("The %s met an unexpected error and goes on", self._thread.name)
            if is_last:
                return

    def _take(self) -> list[E]:
        batch: list[E] = []
        while self._queue and len(batch) < self._batch_rows:
            batch.append(self._queue.popleft())
        return batch

    def _empty(self) -> None:
        """Write what is queued; what comes meanwhile waits for the next time, in a fuller batch."""
        while batch := self._take():
            is_away = time.monotonic() < self._away_until
            if (is_away or not self._insert(batch)) and not self._put_aside(batch):
                self._queue.extendleft(reversed(batch))
                return
            if len(batch) < self._batch_rows and not self._stopping.is_set():
                return

    def _put_aside(self, batch: Sequence[E]) -> bool:
        """Write a batch to disk; False when the disk does not take it."""
        try:
            self._spill.put(batch)
        except OSError as err:
            logger.warning("%s cannot be kept in %s: %s", self._noun, self._spill.folder, err)
            return False
        self._spilled += len(batch)
        return True

    def _replay(self) -> None:
        """Bring files back, oldest first, until one does not go in."""
        for path in self._spill.waiting():
            if time.monotonic() < self._away_until:
                return
            try:
                batch = self._spill.read(path)
            except ValueError:
                logger.exception("%s is no batch of %s", self._spill.set_aside(path), self._noun)
                continue
            if batch and not self._insert(batch):
                return
            self._spill.done(path)

    def _insert(self, batch: list[E]) -> bool:
        """Insert a batch; False when the database is away or not ready for it."""
        try:
            with self._engine.begin() as connection:
                self._execute(connection, batch)
        except (DataError, IntegrityError):
            return self._insert_singly(batch)
        except SQLAlchemyError as err:  # away, full, or its tables not made yet
            return self._away(err)
        if self.is_away:
            logger.info("The database takes %s again", self._noun)
        self._away_until = 0.0
        self._written += len(batch)
        return True

    def _away(self, err: SQLAlchemyError) -> bool:
        if not self.is_away:
            logger.warning("%s go to %s for now: %s", self._noun, self._spill.folder, err)
        self._away_until = time.monotonic() + self._retry_seconds
        return False

    def _insert_singly(self, batch: list[E]) -> bool:
        """Insert row by row, so that one row the database refuses does not hold the others."""
        try:
            with self._engine.begin() as connection:
                refused = [entry for entry in batch if not self._is_taken(connection, entry)]
        except SQLAlchemyError as err:
            return self._away(err)
        for entry in refused:
            path = self._spill.refuse(entry)
            logger.error("The database refuses one of the %s, kept in %s", self._noun, path)
        self._refused += len(refused)
        self._written += len(batch) - len(refused)
        return True

    def _is_taken(self, connection: Connection, entry: E) -> bool:
        try:
            with connection.begin_nested():
                self._execute(connection, [entry])
        except (DataError, IntegrityError):
            return False
        return True

    def _execute(self, connection: Connection, entries: Sequence[E]) -> None:
        connection.execute(self._insertion, {_ROWS: json_text([entry.row() for entry in entries])})


def _insertion(table: Table, names: Sequence[str]) -> Insert:
    """Return what inserts rows given as one JSON text: a value less to bind for each column."""
    given = (
        func.json_to_recordset(cast(bindparam(_ROWS, type_=Text), JSON))
        .table_valued(*(column(name, table.c[name].type) for name in names))
        .render_derived(name="given", with_types=True)
    )
    return insert(table).from_select(names, select(given)).on_conflict_do_nothing()
