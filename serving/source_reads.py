"""Questions to the source database that hold nobody for long: a circuit breaker.

Where no connection can be made, or the engine's limit lets go of who waited for a server that
hangs, nobody asks from then on: until the probe finds that the database answers again (Nygard,
"Release It!", 2007, chapter 5).
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from psycopg.errors import QueryCanceled
from sqlalchemy import Engine, Executable, select
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from pipelines.source.connect import NoAnswerError
from serving.poller import Poller
from serving.problems import HistoryAwayError

logger = logging.getLogger(__name__)

_PROBE_SECONDS: Final = 1.0
_AWAY: Final = (
    "The source database cannot be asked about tasks just now; ask again in a few seconds, or by "
    "workflow id."
)


class SourceReads:
    """Reads from the source database; any number of threads may ask.

    Nobody waits longer than the engine lets its connections wait (`open_limited_engine`). Without
    `start` a database that was away is not found again.
    """

    def __init__(self, engine: Engine, probe_seconds: float = _PROBE_SECONDS) -> None:
        self._engine = engine
        self._is_away = False
        self._probe = Poller("source-database-probe", self.probe, probe_seconds)

    @property
    def is_away(self) -> bool:
        """Whether nobody asks, as the database did not answer."""
        return self._is_away

    def start(self) -> None:
        """Start to look for a database that was away."""
        self._probe.start()

    def close(self) -> None:
        """Stop that, and close the connections."""
        self._probe.stop()
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
                has_waited = isinstance(err.orig, NoAnswerError)
                if not err.connection_invalidated or has_waited or self._is_away:
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

    def _open(self, why: str) -> None:
        if not self._is_away:
            logger.warning("The source database does not answer: %s", why.strip())
        self._is_away = True

    def _read(self, statement: Executable, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        with self._engine.connect() as connection:
            found = connection.execute(statement, given)
            names = tuple(found.keys())
            return [dict(zip(names, row, strict=True)) for row in found]
