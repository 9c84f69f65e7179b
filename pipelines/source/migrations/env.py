"""Run by Alembic: on the connection it is given, else on the database of the settings.

Only the schemas `workflow` and `workcast` are ours; other tables of the same database
(MLflow's, Feast's) are neither compared nor touched.
"""

from typing import Any

from alembic import context
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.schema import CreateSchema

from pipelines.contracts import PLATFORM_SCHEMA, WORKFLOW_SCHEMA
from pipelines.settings import get_settings
from pipelines.source.tables import METADATA

OWN_SCHEMAS = (WORKFLOW_SCHEMA, PLATFORM_SCHEMA)


def _is_own(name: str | None, kind: str, _parents: Any) -> bool:
    return kind != "schema" or name in OWN_SCHEMAS


def _run(connection: Connection) -> None:
    # Alembic's version table needs its schema before the first revision runs.
    connection.execute(CreateSchema(PLATFORM_SCHEMA, if_not_exists=True))
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        version_table_schema=PLATFORM_SCHEMA,
        include_schemas=True,
        include_name=_is_own,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    context.configure(
        dialect_name="postgresql", version_table_schema=PLATFORM_SCHEMA, literal_binds=True
    )
    with context.begin_transaction():
        context.execute(text(f"CREATE SCHEMA IF NOT EXISTS {PLATFORM_SCHEMA}"))
        context.run_migrations()
elif (given := context.config.attributes.get("connection")) is not None:
    _run(given)
else:
    with create_engine(get_settings().database).connect() as own:
        _run(own)
        own.commit()
