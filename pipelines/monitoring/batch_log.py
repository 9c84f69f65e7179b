"""Bring entries to a table, in batches, off the path of the requests that make them.

Requests append to a queue in memory; one thread empties it into PostgreSQL several times a
second. Once the database does not take a batch, batches go to files at once, so that a process
that is killed loses no more than about the last second. Another thread, which alone waits for such
a database, brings them back. Each entry has a key that the table holds once, so writing one twice
leaves one.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Generic, Self

from sqlalchemy import URL, Table

from pipelines.monitoring.spill import E, Spill
from pipelines.monitoring.table_writer import TableAwayError, TableWriter

logger = logging.getLogger(__name__)

# Nobody waits for the files, so a database that is slow may take its time.
_REPLAY_STATEMENT_SECONDS: Final = 5.0


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
        make_writer = partial(TableWriter[E], database, table, spill.columns)
        self._writer = make_writer()
        self._replay_writer = make_writer(_REPLAY_STATEMENT_SECONDS)
        self._spill = spill
        self._noun = noun
        self._batch_rows = batch_rows
        self._max_queued = max_queued
        self._queue: deque[tuple[E, str]] = deque()  # each with its line
        self._in_hand: list[tuple[E, str]] = []  # of these, those being written
        self._stopping = threading.Event()
        self._is_away = False
        self._counts: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._flushing = self._thread("log", self._empty, flush_seconds, self._writer)
        self._replaying = self._thread("replay", self._replay, retry_seconds, self._replay_writer)

    def start(self) -> Self:
        """Start the threads; what earlier processes left on disk is replayed, too."""
        self._replaying.start()
        self._flushing.start()
        return self

    def add(self, entries: Sequence[E]) -> None:
        """Take entries over; with a full queue they go to disk at once."""
        if len(self._queue) + len(entries) <= self._max_queued:
            self._queue.extend((entry, self._writer.line(entry)) for entry in entries)
        elif not self._put_aside(entries):
            self._count("lost", len(entries))
            logger.error("%d %s are lost: queue and disk are full", len(entries), self._noun)

    def close(self, timeout_seconds: float = 10.0) -> None:
        """Write what is queued, to disk if the database is away, and stop the threads."""
        self._stopping.set()
        deadline = time.monotonic() + timeout_seconds
        _join(self._flushing, deadline)
        # Only after a time-out: the thread empties the queue otherwise. What it waits for may have
        # been written all the same, and is found to be there when it comes back.
        left = self._in_hand[:]
        while batch := self._take():
            left += batch
        if left and not self._put_aside([entry for entry, _ in left]):
            self._count("lost", len(left))
            logger.error("%d %s are lost: no database and no disk", len(left), self._noun)
        _join(self._replaying, deadline)  # last, as what it has in hand is on the disk

    @property
    def counts(self) -> LogCounts:
        """Return what became of the entries so far."""
        return LogCounts(
            queued_count=len(self._queue),
            written_count=self._counts["written"],
            spilled_count=self._counts["spilled"],
            refused_count=self._counts["refused"],
            lost_count=self._counts["lost"],
            waiting_file_count=len(self._spill.waiting()),
            is_database_away=self._is_away,
        )

    @property
    def is_away(self) -> bool:
        """Whether the database did not take the last batch."""
        return self._is_away

    def _thread(
        self, name: str, look: Callable[[], None], seconds: float, writer: TableWriter[E]
    ) -> threading.Thread:
        def work() -> None:
            is_last = False
            while not is_last:
                is_last = self._stopping.is_set()
                try:
                    look()
                except Exception:  # the thread must outlive whatever a disk or driver throws
                    logger.exception("The %s of %s goes on after an error", name, self._noun)
                self._stopping.wait(seconds)
            writer.close()

        return threading.Thread(target=work, name=f"{name} of {self._noun}", daemon=True)

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
            is_kept = self._is_written(entries, lines) or self._put_aside(entries)
            if not is_kept:
                self._queue.extendleft(reversed(batch))
            self._in_hand = []
            if not is_kept or (len(batch) < self._batch_rows and not self._stopping.is_set()):
                return

    def _is_written(self, entries: Sequence[E], lines: Sequence[str]) -> bool:
        """Write a batch to the table, unless the database is known to be away."""
        try:
            return not self._is_away and self._insert(self._writer, entries, lines)
        except Exception:
            logger.exception("%d %s cannot be written", len(entries), self._noun)
            return False

    def _put_aside(self, batch: Sequence[E]) -> bool:
        """Write a batch to disk; False when the disk does not take it."""
        try:
            self._spill.put(batch)
        except Exception as err:  # OSError, or else the batch would be lost
            logger.warning("%s cannot be kept in %s: %r", self._noun, self._spill.folder, err)
            return False
        self._count("spilled", len(batch))
        return True

    def _replay(self) -> None:
        """Bring files back, oldest first, until the database is away; find one that was."""
        for path in self._spill.waiting():
            if self._stopping.is_set():
                return
            try:
                if not self._is_replayed(path):
                    return
            except Exception:  # it must not hold the others, and is tried again
                logger.exception("%s cannot be replayed", path)
        if self._is_away and not self._stopping.is_set():
            self._insert(self._replay_writer, [], [])

    def _is_replayed(self, path: Path) -> bool:
        """Bring a file back; False when the database is away."""
        try:
            batch = self._spill.read(path)
        except ValueError:
            logger.exception("%s is no batch of %s", self._spill.set_aside(path), self._noun)
            return True
        # One that `close` wrote may hold a whole queue, too much for one statement.
        for start in range(0, len(batch), self._batch_rows):
            some = batch[start : start + self._batch_rows]
            lines = list(map(self._replay_writer.line, some))
            if not self._insert(self._replay_writer, some, lines):
                return False
        self._spill.done(path)
        return True

    def _insert(self, writer: TableWriter[E], batch: Sequence[E], lines: Sequence[str]) -> bool:
        """Write a batch to the table; False when the database is away or not ready for it."""
        try:
            refused = writer.write(batch, lines)
        except TableAwayError as err:
            if not self._is_away:
                logger.warning("%s go to %s for now: %s", self._noun, self._spill.folder, err)
            self._is_away = True
            return False
        for entry in refused:
            path = self._spill.refuse(entry)
            logger.error("The database refuses one of the %s, kept in %s", self._noun, path)
        if self._is_away:
            logger.info("The database takes %s again", self._noun)
        self._is_away = False
        self._count("refused", len(refused))
        self._count("written", len(batch) - len(refused))
        return True

    def _count(self, what: str, count: int) -> None:
        with self._counting:  # threads of requests count, too
            self._counts[what] += count


def _join(thread: threading.Thread, deadline: float) -> None:
    if thread.is_alive():
        thread.join(max(0.0, deadline - time.monotonic()))
