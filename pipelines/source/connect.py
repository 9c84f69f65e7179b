"""Connect to the source database."""

from sqlalchemy import Engine, create_engine

from pipelines.settings import Settings


def open_engine(settings: Settings) -> Engine:
    """Open an engine on the source database; the caller disposes of it."""
    return create_engine(settings.database, pool_pre_ping=True)
