"""Connect to a database of the platform: the source's by an engine, or any without SQLAlchemy."""

from typing import Final

import psycopg
from sqlalchemy import URL, Engine, create_engine

from pipelines.settings import Settings

_CONNECT_TIMEOUT_S: Final = 5


def open_engine(settings: Settings) -> Engine:
    """Open an engine on the source database; the caller disposes of it."""
    return create_engine(settings.database, pool_pre_ping=True)


def connect(
    url: URL,
    database: str | None = None,
    *,
    timeout_s: int = _CONNECT_TIMEOUT_S,
    options: str | None = None,
) -> psycopg.Connection:
    """Open a connection of psycopg's own in autocommit.

    The URL is handed over in parts: libpq reads fewer URLs than SQLAlchemy.

    Args:
        url: of a database.
        database: another one of the same server.
        timeout_s: how long to wait for the server.
        options: of the server for this connection, such as `-c statement_timeout=1000`.

    Raises:
        psycopg.Error: the server does not answer, or refuses.
    """
    parts = url.translate_connect_args(username="user", database="dbname")
    if database is not None:
        parts["dbname"] = database
    if options is not None:
        parts["options"] = options
    return psycopg.connect(**{"connect_timeout": timeout_s, **url.query, **parts}, autocommit=True)
