"""Open tasks, throughput and active people of a team at the end of a day."""

import ibis.expr.types as ir

from pipelines.features.day_close import (
    ONE,
    active_days,
    close_days,
    trailing,
    trailing_days,
    with_timestamps,
)
from pipelines.features.timing import EVERY_DAY, Span

_KEYS = ("team_id",)
_WEEK = 7
_DAYS = 30


def team_load(
    events: ir.Table, completions: ir.Table, changes: ir.Table, span: Span = EVERY_DAY
) -> ir.Table:
    """Compute the view `team_load`.

    A row for each day on which an event that names the team, or a change of the tasks the
    team holds, became known.

    Args:
        events: of `day_close.daily_events`.
        completions: of `durations.completed_tasks`.
        changes: of `open_tasks.open_task_changes`.
        span: days of which rows are wanted.
    """
    closed = close_days(
        _KEYS,
        [
            active_days(events, _KEYS, "known_day"),
            active_days(completions, _KEYS, "known_day"),
            active_days(changes, _KEYS, "day"),
            changes.select(*_KEYS, "day", open_task_count=changes.change),
            trailing(completions, _KEYS, _WEEK, {"completed_count_7d": ONE}),
        ],
        span,
    )
    people = events.filter(events.team_id.notnull(), events.person_id.notnull())
    people = people.select(*_KEYS, "person_id", "happened_day", "known_day").distinct()
    people = trailing_days(people, _KEYS, _DAYS, "person_id", span)
    counts = people.group_by(*_KEYS, "day").agg(person_count=people.person_id.nunique())
    rows = closed.left_join(counts, [*_KEYS, "day"])
    rows = rows.select(
        *_KEYS,
        "day",
        "open_task_count",
        "completed_count_7d",
        active_person_count_30d=rows.person_count.coalesce(0),
    )
    return with_timestamps(rows)
