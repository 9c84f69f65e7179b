"""Connect to a database of the platform: the source's by an engine, or any without SQLAlchemy."""

import time
from typing import Any, Final

import psycopg
from psycopg.abc import RV, PQGen
from sqlalchemy import URL, Engine, create_engine, event

from pipelines.settings import Settings

_CONNECT_TIMEOUT_S: Final = 5
_LOOK_S: Final = 0.1  # how often psycopg looks for a Ctrl-C while it waits; its own default


class NoAnswerError(psycopg.OperationalError):
    """The server has not answered in time, and the connection is closed."""


class LimitedConnection(psycopg.Connection):
    """A connection that waits for an answer no longer than `answer_s`.

    A server that hangs ends no statement, however long it takes, and libpq waits for ever.
    """

    answer_s: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = _LOOK_S, timeout: float | None = None) -> RV:
        """Wait for an operation of the connection, as all but connecting do.

        Raises:
            NoAnswerError: it took longer than `answer_s`; a `timeout` goes before that.
        """
        if timeout is not None or self.answer_s is None:
            return super().wait(gen, interval, timeout)
        began = time.monotonic()
        try:
            return super().wait(gen, interval, self.answer_s)
        except psycopg.OperationalError as err:
            # What the server says has a state, and is an answer, however late.
            if err.sqlstate is not None or time.monotonic() - began < self.answer_s:
                raise
            self.pgconn.finish()  # what it says after all would be taken for the next answer
            raise NoAnswerError(f"the server has not answered for {self.answer_s:g} s") from err


def open_engine(settings: Settings) -> Engine:
    """Open an engine on the source database; the caller disposes of it."""
    return create_engine(settings.database, pool_pre_ping=True)


def open_limited_engine(url: URL, answer_s: float, **how: Any) -> Engine:
    """Open an engine whose connections wait for an answer no longer than `answer_s`.

    To SQLAlchemy a `NoAnswerError` is a disconnect: the connections of before are not used again.
    To connect has a limit of its own, `connect_timeout`.

    Args:
        url: of a database.
        answer_s: longer than the server lets a statement take.
        how: else, as `create_engine` takes it.
    """
    engine = create_engine(url, **how)

    def connected(_dialect: Any, _record: Any, given: Any, named: Any) -> psycopg.Connection:
        return _limited(answer_s, *given, **named)

    event.listen(engine, "do_connect", connected)
    return engine


def connect(
    url: URL,
    database: str | None = None,
    *,
    timeout_s: int = _CONNECT_TIMEOUT_S,
    answer_s: float | None = None,
    options: str | None = None,
) -> psycopg.Connection:
    """Open a connection of psycopg's own in autocommit.

    The URL is handed over in parts: libpq reads fewer URLs than SQLAlchemy.

    Args:
        url: of a database.
        database: another one of the same server.
        timeout_s: how long to wait for the server.
        answer_s: how long to wait for an answer, once connected, before the connection is
            closed with a `NoAnswerError`; None waits for ever.
        options: of the server for this connection, such as `-c statement_timeout=1000`.

    Raises:
        psycopg.Error: the server does not answer, or refuses.
    """
    parts = url.translate_connect_args(username="user", database="dbname")
    if database is not None:
        parts["dbname"] = database
    if options is not None:
        parts["options"] = options
    given = {"connect_timeout": timeout_s, **url.query, **parts}
    return _limited(answer_s, **given, autocommit=True)


def _limited(answer_s: float | None, *given: Any, **named: Any) -> LimitedConnection:
    connection = LimitedConnection.connect(*given, **named)
    connection.answer_s = answer_s
    return connection
