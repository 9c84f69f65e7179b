"""Databases and the roles that own them, made by an account that may."""

from typing import Final

import psycopg
from psycopg import sql
from sqlalchemy import URL

from pipelines.errors import PlatformError
from pipelines.platform.postgres import connect

_ROLE_EXISTS: Final = "SELECT 1 FROM pg_roles WHERE rolname = %s"
_DATABASE_EXISTS: Final = "SELECT 1 FROM pg_database WHERE datname = %s"


def ensure_owned_database(admin: URL, url: URL) -> None:
    """Make the database of `url` and its user as owner where missing, and set the user's password.

    Nobody else may connect to the database. A password that was changed in the settings is
    changed on the server, so rotating one is a change of the setting and a rerun.

    Raises:
        PlatformError: `url` names no user or password, or the server does not answer or refuses.
    """
    if url.username is None or url.password is None or url.database is None:
        shown = url.render_as_string(hide_password=True)
        raise PlatformError(f"{shown} must name user, password and database to be made.")
    owner, database = sql.Identifier(url.username), sql.Identifier(url.database)
    try:
        with connect(admin) as connection:
            known = connection.execute(_ROLE_EXISTS, [url.username]).fetchone()
            verb = sql.SQL("CREATE" if known is None else "ALTER")
            connection.execute(
                sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
                    verb, owner, sql.Literal(_encrypted(connection, url))
                )
            )
            if connection.execute(_DATABASE_EXISTS, [url.database]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, owner))
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    except psycopg.Error as err:
        shown = url.render_as_string(hide_password=True)
        raise PlatformError(
            f"Database {shown} and its owner could not be made: {err}. Check "
            "WORKCAST_ADMIN_DATABASE_URL and that its account may create roles and databases."
        ) from err


def _encrypted(connection: psycopg.Connection, url: URL) -> str:
    """Return the password as the server stores it: in clear it would show in the server's log."""
    password, user = str(url.password).encode(), str(url.username).encode()
    return connection.pgconn.encrypt_password(password, user, b"scram-sha-256").decode()
