"""Volume, sojourn times and open tasks of an activity at the end of a day."""

import ibis.expr.types as ir

from pipelines.features.day_close import (
    ONE,
    active_days,
    close_days,
    known_days,
    trailing,
    trailing_median,
    with_timestamps,
)
from pipelines.features.timing import milliseconds

_KEYS = ("activity",)
_DAYS = 30


def activity_stats(events: ir.Table, completions: ir.Table, changes: ir.Table) -> ir.Table:
    """Compute the view `activity_stats`: a row for each day on which its events became known.

    Args:
        events: the history's `task_events`.
        completions: of `durations.completed_tasks`.
        changes: of `open_tasks.open_task_changes`.
    """
    facts = known_days(events)
    sojourn_time_s = completions.sojourn_time_s
    closed = close_days(
        _KEYS,
        [
            active_days(facts, _KEYS, "known_day"),
            trailing(facts, _KEYS, _DAYS, {"event_count_30d": ONE}),
            trailing(
                completions,
                _KEYS,
                _DAYS,
                {
                    "completed_count_30d": ONE,
                    "timed_count": sojourn_time_s.notnull().cast("int64"),
                    "sojourn_ms": milliseconds(sojourn_time_s).coalesce(0),
                },
            ),
            changes.select(*_KEYS, "day", open_task_count=changes.change),
        ],
    )
    medians = trailing_median(completions, _KEYS, _DAYS, "sojourn_time_s")
    rows = closed.left_join(medians, [*_KEYS, "day"])
    rows = rows.select(
        *_KEYS,
        "day",
        "event_count_30d",
        "completed_count_30d",
        "open_task_count",
        sojourn_time_s_median_30d=rows["median"],
        sojourn_time_s_mean_30d=rows.sojourn_ms / rows.timed_count.nullif(0) / 1_000,
    )
    return with_timestamps(rows)
