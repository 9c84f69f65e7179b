"""Bring a database to the tables this version of the code expects."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from pipelines.contracts import PLATFORM_SCHEMA, WORKFLOW_SCHEMA
from pipelines.errors import SourceError
from pipelines.source.database_errors import reason
from pipelines.source.tables import METADATA

# Any number will do, as long as nothing else in the database locks the same.
_MIGRATION_LOCK: Final = 7_302_025_001


def migrate(engine: Engine, revision: str = "head") -> None:
    """Upgrade the database to `revision`; wait while another process does the same.

    Raises:
        SourceError: the database cannot be reached, or its tables cannot be changed.
    """
    with _locked(engine) as connection:
        command.upgrade(_config(connection), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take the database back to `revision`; `base` removes every table of ours.

    Raises:
        SourceError: the database cannot be reached, or its tables cannot be changed.
    """
    with _locked(engine) as connection:
        command.downgrade(_config(connection), revision)


def differences(engine: Engine) -> list[str]:
    """Say where the database's tables differ from `tables.py`; empty when they do not."""
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table_schema": PLATFORM_SCHEMA,
                "include_schemas": True,
                "include_name": lambda name, kind, _parents: (
                    kind != "schema" or name in (WORKFLOW_SCHEMA, PLATFORM_SCHEMA)
                ),
                "compare_server_default": True,
            },
        )
        return [repr(difference) for difference in compare_metadata(context, METADATA)]


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", "pipelines.source:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@contextmanager
def _locked(engine: Engine) -> Iterator[Connection]:
    """Hold the migration lock for one transaction, in which everything happens or nothing."""
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _MIGRATION_LOCK})
            yield connection
    except SQLAlchemyError as err:
        url = engine.url.render_as_string(hide_password=True)
        raise SourceError(
            f"Could not migrate the database {url}: {reason(err)}. "
            "Check that the server runs and that the user owns the database."
        ) from err
