"""How far each stage has come: everything recorded before its watermark is processed."""

from datetime import UTC, datetime

from sqlalchemy import Engine, func, select
from sqlalchemy.dialects.postgresql import insert

from pipelines.contracts import Stage
from pipelines.errors import SourceError
from pipelines.source.tables import watermarks


def get_watermark(engine: Engine, stage: Stage) -> datetime | None:
    """Return the end of what `stage` has processed (UTC, exclusive), or None before its first."""
    with engine.connect() as connection:
        at = connection.execute(
            select(watermarks.c.watermark_at).where(watermarks.c.stage == stage)
        ).scalar()
    return None if at is None else at.astimezone(UTC)


def set_watermark(engine: Engine, stage: Stage, at: datetime) -> None:
    """Record that `stage` has processed everything recorded before `at`.

    Raises:
        SourceError: `at` has no time zone.
    """
    if at.tzinfo is None:
        raise SourceError(f"The watermark of {stage} has no time zone: {at}. Pass a UTC time.")
    statement = insert(watermarks).values(stage=stage, watermark_at=at)
    with engine.begin() as connection:
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[watermarks.c.stage],
                set_={"watermark_at": at, "updated_at": func.clock_timestamp()},
            )
        )
