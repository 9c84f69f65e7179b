"""Open tasks, throughput, sojourn times and punctuality of a person at the end of a day."""

import ibis.expr.types as ir

from pipelines.features.day_close import (
    ONE,
    active_days,
    close_days,
    trailing,
    trailing_median,
    with_timestamps,
)
from pipelines.features.timing import EVERY_DAY, Span

_KEYS = ("person_id",)
_WEEK = 7
_DAYS = 30


def person_workload(
    events: ir.Table, completions: ir.Table, changes: ir.Table, span: Span = EVERY_DAY
) -> ir.Table:
    """Compute the view `person_workload`.

    A row for each day on which an event that names the person, or a change of the tasks the
    person holds, became known.

    Args:
        events: of `day_close.daily_events`.
        completions: of `durations.completed_tasks`.
        changes: of `open_tasks.open_task_changes`.
        span: days of which rows are wanted.
    """
    due = completions.filter(completions.is_on_time.notnull())
    due = due.drop("known_day").rename(known_day="due_known_day")
    closed = close_days(
        _KEYS,
        [
            active_days(events, _KEYS, "known_day"),
            active_days(completions, _KEYS, "known_day"),
            active_days(changes, _KEYS, "day"),
            changes.select(*_KEYS, "day", open_task_count=changes.change),
            trailing(completions, _KEYS, _WEEK, {"completed_count_7d": ONE}),
            trailing(completions, _KEYS, _DAYS, {"completed_count_30d": ONE}),
            trailing(
                due,
                _KEYS,
                _DAYS,
                {"due_count": ONE, "on_time_count": due.is_on_time.cast("int64")},
            ),
        ],
        span,
    )
    medians = trailing_median(completions, _KEYS, _DAYS, "sojourn_time_s", span)
    rows = closed.left_join(medians, [*_KEYS, "day"])
    rows = rows.select(
        *_KEYS,
        "day",
        "open_task_count",
        "completed_count_7d",
        "completed_count_30d",
        sojourn_time_s_median_30d=rows["median"],
        on_time_ratio=rows.on_time_count / rows.due_count.nullif(0),
    )
    return with_timestamps(rows)
