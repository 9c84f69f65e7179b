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
from typing import Generic, Self

from sqlalchemy import URL, Table

from pipelines.monitoring.spill import E, Spill
from pipelines.monitoring.table_writer import TableAwayError, TableWriter

logger = logging.getLogger(__name__)


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
        flush_seconds: float = 0.1,
        retry_seconds: float = 2.0,
        batch_rows: int = 1_000,
        max_queued: int = 20_000,
    ) -> None:
        self._writer = TableWriter[E](database, table, spill.columns)
        self._spill = spill
        self._noun = noun
        self._flush_seconds = flush_seconds
        self._retry_seconds = retry_seconds
        self._batch_rows = batch_rows
        self._max_queued = max_queued
        self._queue: deque[tuple[E, str]] = deque()  # each with its line
        self._in_hand: list[tuple[E, str]] = []  # of these, those being written
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
            self._queue.extend((entry, self._writer.line(entry)) for entry in entries)
        elif not self._put_aside(entries):
            self._lost += len(entries)
            logger.error("%d %s are lost: queue and disk are full", len(entries), self._noun)

    def close(self, timeout_seconds: float = 10.0) -> None:
        """Write what is queued, to disk if the database is away, and stop the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)
        # Only after a time-out: the thread empties the queue otherwise. What it waits for may have
        # been written all the same, and is found to be there when it comes back.
        left = self._in_hand[:]
        while batch := self._take():
            left += batch
        if left and not self._put_aside([entry for entry, _ in left]):
            self._lost += len(left)
            logger.error("%d %s are lost: no database and no disk", len(left), self._noun)
        if not self._thread.is_alive():  # it may wait for a database that hangs
            self._writer.close()

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

    def _take(self) -> list[tuple[E, str]]:
        batch: list[tuple[E, str]] = []
        while self._queue and len(batch) < self._batch_rows:
            batch.append(self._queue.popleft())
        return batch

    def _empty(self) -> None:
        """Write what is queued; what comes meanwhile waits for the next time, in a fuller batch."""
        while batch := self._take():
            self._in_hand = batch
            entries, lines = zip(*batch, strict=True)
            is_away = time.monotonic() < self._away_until
            if (is_away or not self._insert(entries, lines)) and not self._put_aside(entries):
                self._queue.extendleft(reversed(batch))
                self._in_hand = []
                return
            self._in_hand = []
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
            if batch and not self._insert(batch, list(map(self._writer.line, batch))):
                return
            self._spill.done(path)

    def _insert(self, batch: Sequence[E], lines: Sequence[str]) -> bool:
        """Write a batch to the table; False when the database is away or not ready for it."""
        try:
            refused = self._writer.write(batch, lines)
        except TableAwayError as err:
            if not self.is_away:
                logger.warning("%s go to %s for now: %s", self._noun, self._spill.folder, err)
            self._away_until = time.monotonic() + self._retry_seconds
            return False
        for entry in refused:
            path = self._spill.refuse(entry)
            logger.error("The database refuses one of the %s, kept in %s", self._noun, path)
        if self.is_away:
            logger.info("The database takes %s again", self._noun)
        self._away_until = 0.0
        self._refused += len(refused)
        self._written += len(batch) - len(refused)
        return True
