"""What every table shares: one metadata, constraint names, column kinds."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, DateTime, ForeignKey, MetaData, Text, text
from sqlalchemy.dialects.postgresql import JSONB

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def key(name: str) -> Column[str]:
    """Make a natural text id that is (part of) the primary key."""
    return Column(name, Text, primary_key=True)


def reference(name: str, target: str, *, primary_key: bool = False) -> Column[str]:
    """Make an optional (or, in a key, required) reference to `schema.table.column`."""
    return Column(name, Text, ForeignKey(target), primary_key=primary_key)


def required_reference(name: str, target: str) -> Column[str]:
    """Make a reference to `schema.table.column` that may not be null."""
    return Column(name, Text, ForeignKey(target), nullable=False)


def moment(
    name: str, *, nullable: bool = True, default_now: bool = False, primary_key: bool = False
) -> Column[datetime]:
    """Make a `timestamptz` column."""
    return Column(
        name,
        DateTime(timezone=True),
        primary_key=primary_key,
        nullable=nullable and not primary_key,
        server_default=text("clock_timestamp()") if default_now else None,
    )


def document(name: str) -> Column[dict[str, Any]]:
    """Make a JSONB column that is an empty object unless told otherwise."""
    return Column(name, JSONB, nullable=False, server_default=text("'{}'::jsonb"))
