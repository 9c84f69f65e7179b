"""Databases, the roles that own them and the one that only reads, made by an account that may."""

from typing import Final

import psycopg
from psycopg import sql
from sqlalchemy import URL

from pipelines.errors import PlatformError
from pipelines.source.connect import connect

_ROLE_EXISTS: Final = "SELECT 1 FROM pg_roles WHERE rolname = %s"
_DATABASE_EXISTS: Final = "SELECT 1 FROM pg_database WHERE datname = %s"

_READING: Final = (
    "GRANT CONNECT ON DATABASE {database} TO {reader}",
    "GRANT USAGE ON SCHEMA {schema} TO {reader}",
    "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader}",
)


def ensure_owned_database(admin: URL, url: URL) -> None:
    """Make the database of `url` and its user as owner where missing, and set the user's password.

    Nobody else may connect to the database. A password that was changed in the settings is
    changed on the server, so rotating one is a change of the setting and a rerun.

    Raises:
        PlatformError: `url` names no user or password, or the server does not answer or refuses.
    """
    owner, database = _identifiers(url)
    try:
        with connect(admin) as connection:
            _ensure_role(connection, url)
            if connection.execute(_DATABASE_EXISTS, [url.database]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, owner))
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    except psycopg.Error as err:
        shown = url.render_as_string(hide_password=True)
        raise PlatformError(
            f"Database {shown} and its owner could not be made: {err}. Check "
            "WORKCAST_ADMIN_DATABASE_URL and that its account may create roles and databases."
        ) from err


def ensure_reader(admin: URL | None, owner: URL, url: URL, schema: str) -> None:
    """Let the user of `url` read what is in `schema`, in the owner's database, and nothing else.

    Args:
        admin: who makes the user where missing and sets the password; None if somebody else does.
        owner: whose schema it is.
        url: of the reader, in the same database.
        schema: with the views that may be read.

    Raises:
        PlatformError: `url` names no user or password, or the server does not answer or refuses.
    """
    reader, database = _identifiers(url)
    names = {"reader": reader, "database": database, "schema": sql.Identifier(schema)}
    try:
        if admin is not None:
            with connect(admin) as connection:
                _ensure_role(connection, url)
        with connect(owner, owner.database) as connection:
            for statement in _READING:
                connection.execute(sql.SQL(statement).format(**names))
    except psycopg.Error as err:
        shown = url.render_as_string(hide_password=True)
        raise PlatformError(
            f"{shown} could not be let read the schema {schema}: {err}. Check "
            "WORKCAST_ADMIN_DATABASE_URL and that its account may create roles."
        ) from err


def _identifiers(url: URL) -> tuple[sql.Identifier, sql.Identifier]:
    if url.username is None or url.password is None or url.database is None:
        shown = url.render_as_string(hide_password=True)
        raise PlatformError(f"{shown} must name user, password and database to be made.")
    return sql.Identifier(url.username), sql.Identifier(url.database)


def _ensure_role(connection: psycopg.Connection, url: URL) -> None:
    known = connection.execute(_ROLE_EXISTS, [url.username]).fetchone()
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
            sql.SQL("CREATE" if known is None else "ALTER"),
            sql.Identifier(str(url.username)),
            sql.Literal(_encrypted(connection, url)),
        )
    )


def _encrypted(connection: psycopg.Connection, url: URL) -> str:
    """Return the password as the server stores it: in clear it would show in the server's log."""
    password, user = str(url.password).encode(), str(url.username).encode()
    return connection.pgconn.encrypt_password(password, user, b"scram-sha-256").decode()
