"""Moments of the recorded history."""

from datetime import datetime, timedelta

from sqlalchemy import Engine, text

from pipelines.errors import SourceError

# The event that ends the asked-for share; if nothing is running just then, the nearest
# earlier event after which something was.
_PAST_MOMENT = text("""
    WITH cut AS (
        SELECT percentile_disc(:share) WITHIN GROUP (ORDER BY recorded_at) AS at
        FROM workflow.task_events
    )
    SELECT max(event.recorded_at)
    FROM workflow.task_events AS event
    JOIN workflow.workflows AS own USING (workflow_id)
    CROSS JOIN cut
    WHERE event.recorded_at <= cut.at
      AND (own.closed_at IS NULL OR own.closed_at > event.recorded_at)
""")


def past_moment(engine: Engine, share: float) -> datetime:
    """Return a moment with about `share` of the events recorded before it and work going on.

    The moment is one microsecond after an event of a workflow that is still open then.

    Raises:
        SourceError: there is no such moment, because nothing was recorded.
    """
    with engine.connect() as connection:
        moment: datetime | None = connection.execute(_PAST_MOMENT, {"share": share}).scalar()
    if moment is None:
        raise SourceError(
            "The source database holds no open work to ask about: import a log with workflows of "
            "more than one event."
        )
    return moment + timedelta(microseconds=1)
