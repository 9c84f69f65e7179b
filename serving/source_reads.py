"""Questions to the source database that hold nobody for long: a circuit breaker.

PostgreSQL ends a statement that takes too long, but one that hangs ends nothing, and libpq waits
for it for ever. So who has waited too long is let go, and from then on, as where no connection can
be made, nobody asks: until the probe finds that the database answers again (Nygard, "Release It!",
2007, chapter 5).
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from psycopg.errors import QueryCanceled
from sqlalchemy import Connection, Engine, Executable, select
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from serving.poller import Poller
from serving.problems import HistoryAwayError

logger = logging.getLogger(__name__)

_ANSWER_SECONDS: Final = 4.0  # beyond what the service lets a statement take
_PROBE_SECONDS: Final = 1.0
_AWAY: Final = (
    "The source database cannot be asked about tasks just now; ask again in a few seconds, or by "
    "workflow id."
)


class SourceReads:
    """Reads from the source database; any number of threads may ask.

    Without `start` nobody is let go, and a database that was away is not found again.
    """

    def __init__(
        self,
        engine: Engine,
        answer_seconds: float = _ANSWER_SECONDS,
        probe_seconds: float = _PROBE_SECONDS,
    ) -> None:
        self._engine = engine
        self._answer_seconds = answer_seconds
        self._is_away = False
        self._lock = threading.Lock()
        self._waiting: dict[int, float] = {}  # socket -> since when
        self._probe = Poller("source-database-probe", self.probe, probe_seconds)
        self._watch = Poller("source-database-watch", self.let_go, answer_seconds / 8)

    @property
    def is_away(self) -> bool:
        """Whether nobody asks, as the database did not answer."""
        return self._is_away

    def start(self) -> None:
        """Start to watch over who waits, and to look for a database that was away."""
        self._probe.start()
        self._watch.start()

    def close(self) -> None:
        """Stop that, and close the connections."""
        self._probe.stop()
        self._watch.stop()
        self._engine.dispose()

    def rows(self, statement: Executable, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return what a statement finds.

        Raises:
            HistoryAwayError: the database does not answer.
        """
        if self._is_away:
            raise HistoryAwayError(_AWAY)
        try:
            try:
                return self._read(statement, given)
            except DBAPIError as err:
                if not err.connection_invalidated or self._is_away:
                    raise
                # It was cut off since the last question; all that were open then are dropped now.
                return self._read(statement, given)
        except SQLAlchemyError as err:
            if isinstance(err, OperationalError) and not isinstance(err.orig, QueryCanceled):
                self._open(str(err.orig))
            raise HistoryAwayError(_AWAY) from err

    def probe(self) -> None:
        """Ask a database that was away whether it answers again."""
        if not self._is_away:
            return
        with suppress(SQLAlchemyError):
            self._read(select(1), {})
            self._is_away = False
            logger.info("The source database answers again")

    def let_go(self) -> None:
        """Cut off who has waited too long."""
        limit = time.monotonic() - self._answer_seconds
        with self._lock:
            for number in [one for one, since in self._waiting.items() if since < limit]:
                del self._waiting[number]
                self._open("a statement hangs")
                with socket.socket(fileno=os.dup(number)) as waiting, suppress(OSError):
                    waiting.shutdown(socket.SHUT_RDWR)

    def _open(self, why: str) -> None:
        if not self._is_away:
            logger.warning("The source database does not answer: %s", why.strip())
        self._is_away = True

    def _read(self, statement: Executable, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        with self._engine.connect() as connection, self._watched(connection):
            found = connection.execute(statement, given)
            names = tuple(found.keys())
            return [dict(zip(names, row, strict=True)) for row in found]

    @contextmanager
    def _watched(self, connection: Connection) -> Iterator[None]:
        driver: Any = connection.connection.driver_connection
        number = driver.pgconn.socket
        with self._lock:
            self._waiting[number] = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._waiting.pop(number, None)
