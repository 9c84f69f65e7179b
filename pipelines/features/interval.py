"""What of a history the rows of an interval depend on, and no more.

A feature row is as known at its `created_timestamp`. So what is recorded in `[since, until)`
adds rows created in `[since, until)` and changes none before.
"""

from datetime import datetime
from typing import Final

import ibis
import ibis.expr.types as ir

from pipelines.contracts import Transition
from pipelines.features.history import History
from pipelines.features.timing import EPOCH, Day, first_moment, microseconds

_WINDOW_DAYS: Final = 30  # the longest trailing window of the views that close a day
_BEFORE_ALL: Final = -(2**62)


def day_of(moment: datetime) -> int:
    """Return the UTC day of a moment, counted from 1970-01-01."""
    return (moment - EPOCH).days


def day_start(day: Day) -> ir.TimestampValue:
    """Return the first moment of a UTC day."""
    return first_moment(ibis.literal(day, type="int64") if isinstance(day, int) else day)


def workflows_of(history: History) -> ir.Table:
    """Return the workflow_id of every workflow of which a history has something."""
    return ibis.union(*(table.select("workflow_id") for table in history.tables)).distinct()


def unsettled_workflows(history: History, first_day: Day) -> ir.Table:
    """Return the workflow_id of every workflow that counts as open work on some day from then on.

    Those not known as closed before `first_day`, those with a task left open, and those of
    which something became known later. Of all others every count has gone up and down again.
    """
    start = day_start(first_day)
    closures = history.workflow_closures
    closed = closures.group_by("workflow_id").agg(
        known_at=ibis.greatest(closures.closed_at, closures.recorded_at).max()
    )
    closed = closed.filter(closed.known_at < start)
    running = history.task_events.anti_join(closed, "workflow_id").select("workflow_id")
    return ibis.union(running, _with_open_tasks(history, start)).distinct()


def restricted(history: History, workflows: ir.Table) -> History:
    """Keep the rows of some workflows, given by workflow_id."""
    return history.each(lambda table: table.semi_join(workflows, "workflow_id"))


def recent_events(events: ir.Table, first_day: Day | None) -> ir.Table:
    """Keep the events that count on some day from `first_day` on; None keeps all."""
    if first_day is None:
        return events
    start = day_start(first_day)
    is_recent = events.occurred_at >= day_start(first_day - _WINDOW_DAYS)
    # Each half skips the files whose times say that they hold none; an "or" would read them all.
    return events.filter(events.recorded_at >= start).union(
        events.filter(events.recorded_at < start, is_recent)
    )


def recent_days(daily: ir.Table, first_day: Day) -> ir.Table:
    """Keep of `day_close.daily_events` what `recent_events` keeps: some later day needs it."""
    is_recent = daily.happened_day >= first_day - _WINDOW_DAYS
    return daily.filter(is_recent | (daily.known_day >= first_day))


def recent_facts(facts: ir.Table, first_day: Day | None) -> ir.Table:
    """Keep the facts (with happened_day and known_day) that count on some day from then on.

    What became known only after its window had passed has never counted.
    """
    if first_day is None:
        return facts
    return facts.filter(facts.happened_day >= first_day - _WINDOW_DAYS)


def recent_openings(workflows: ir.Table, first_day: Day | None) -> ir.Table:
    """Keep the openings that count on some day from then on."""
    if first_day is None:
        return workflows
    return workflows.filter(workflows.opened_at >= day_start(first_day - _WINDOW_DAYS))


def _with_open_tasks(history: History, start: ir.TimestampValue) -> ir.Table:
    """Return workflows with a task whose end is not its last event, or with news from `start` on.

    A tie between the two is decided where the changes are made; here it counts as open.
    """
    events = history.task_events
    happened_us = microseconds(events.occurred_at)
    is_end = events.transition.isin([Transition.COMPLETED.value, Transition.CANCELLED.value])
    nothing = ibis.null("int64")
    tasks = events.group_by("workflow_id", "task_id").agg(
        ended_us=is_end.ifelse(happened_us, nothing).max(),
        moved_us=is_end.ifelse(nothing, happened_us).max(),
        known_at=ibis.greatest(events.occurred_at, events.recorded_at).max(),
    )
    is_over = tasks.ended_us.notnull() & (tasks.ended_us > tasks.moved_us.coalesce(_BEFORE_ALL))
    return tasks.filter(~is_over | (tasks.known_at >= start)).select("workflow_id")
