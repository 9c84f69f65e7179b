"""Volume, times and open work of an activity, and of all workflows, at the end of a day."""

import ibis
import ibis.expr.types as ir

from pipelines.features.day_close import (
    ONE,
    active_days,
    close_days,
    trailing,
    trailing_median,
    with_timestamps,
)
from pipelines.features.timing import EVERY_DAY, Span, day_number, microseconds, milliseconds

_KEYS = ("activity",)
_WEEK = 7
_DAYS = 30


def activity_stats(  # noqa: PLR0917 - explicit parameters beat a bag
    events: ir.Table,
    completions: ir.Table,
    task_changes: ir.Table,
    state_changes: ir.Table,
    times_to_closing: ir.Table,
    workflows: ir.Table,
    span: Span = EVERY_DAY,
) -> ir.Table:
    """Compute the view `activity_stats`: a row for each day on which its events became known.

    Args:
        events: of `day_close.daily_events`.
        completions: of `durations.completed_tasks`.
        task_changes: of `open_tasks.open_task_changes`.
        state_changes: of `states.state_changes`.
        times_to_closing: of `states.times_to_closing`.
        workflows: the history's.
        span: days of which rows are wanted.
    """
    sojourn_time_s = completions.sojourn_time_s
    closed = close_days(
        _KEYS,
        [
            active_days(events, _KEYS, "known_day"),
            trailing(events, _KEYS, _DAYS, {"event_count_30d": events.event_count}),
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
            trailing(
                times_to_closing,
                _KEYS,
                _DAYS,
                {
                    "closed_count": ONE,
                    "remaining_ms": milliseconds(times_to_closing.remaining_time_s),
                },
            ),
            task_changes.select(*_KEYS, "day", open_task_count=task_changes.change),
            state_changes.select(*_KEYS, "day", state_workflow_count=state_changes.change),
        ],
        span,
    )
    medians = trailing_median(completions, _KEYS, _DAYS, "sojourn_time_s", span)
    rows = closed.left_join(medians, [*_KEYS, "day"])
    rows = rows.drop("activity_right", "day_right")
    overall = _overall(events, state_changes, times_to_closing, workflows, span)
    rows = rows.left_join(overall, "day")
    rows = rows.select(
        *_KEYS,
        "day",
        "event_count_30d",
        "completed_count_30d",
        "open_task_count",
        "state_workflow_count",
        "open_workflow_count",
        "opened_workflow_count_7d",
        "closed_workflow_count_7d",
        sojourn_time_s_median_30d=rows["median"],
        sojourn_time_s_mean_30d=rows.sojourn_ms / rows.timed_count.nullif(0) / 1_000,
        remaining_time_s_mean_30d=rows.remaining_ms / rows.closed_count.nullif(0) / 1_000,
    )
    return with_timestamps(rows)


def _overall(
    events: ir.Table,
    state_changes: ir.Table,
    times_to_closing: ir.Table,
    workflows: ir.Table,
    span: Span,
) -> ir.Table:
    """Count all workflows at the end of each day with an event: open, lately opened and closed."""
    key = {"everything": ibis.literal(0, type="int64")}
    known_at = ibis.greatest(workflows.opened_at, workflows.recorded_at)
    openings = workflows.select(
        **key,
        happened_day=day_number(microseconds(workflows.opened_at)),
        known_day=day_number(microseconds(known_at)),
    )
    closings = times_to_closing.select("workflow_id", "happened_day", "known_day").distinct()
    closings = closings.mutate(**key)
    days = events.filter(events.activity.notnull()).mutate(**key)
    changes = state_changes.select(**key, day=state_changes.day, n=state_changes.change)
    return close_days(
        list(key),
        [
            active_days(days, list(key), "known_day"),
            changes.rename(open_workflow_count="n"),
            trailing(openings, list(key), _WEEK, {"opened_workflow_count_7d": ONE}),
            trailing(closings, list(key), _WEEK, {"closed_workflow_count_7d": ONE}),
        ],
        span,
    ).drop("everything")
