"""What an interval needs of all that was before it, and what it hands on to the next one.

Three tables as of the interval's first day, each made from the one before and from what the
interval adds, so that a day costs what the day brings, whatever lies behind it. Where they are
not kept they are made from all the older history; both ways give the same rows.
"""

from collections.abc import Mapping
from typing import Final

import ibis.expr.types as ir

from pipelines.features.day_close import add_daily_events, daily_events
from pipelines.features.history import History
from pipelines.features.interval import recent_days, recent_events, unsettled_workflows
from pipelines.features.person_activity import experience, experience_before
from pipelines.features.timing import Day

UNSETTLED_EVENTS: Final = "unsettled_events"
DAILY_EVENTS: Final = "daily_events"
EXPERIENCE: Final = "experience"
CARRIED: Final = (UNSETTLED_EVENTS, DAILY_EVENTS, EXPERIENCE)


def looked_for(older: History, completions: ir.Table, first_day: Day) -> dict[str, ir.Table]:
    """Make from the older history what would be handed on to an interval.

    Args:
        older: what was recorded before the interval.
        completions: of `facts.COMPLETIONS`; those recorded before the interval.
        first_day: UTC day in which the interval begins.

    Returns:
        unsettled_events: all events of `interval.unsettled_workflows`. daily_events: of
        `day_close.daily_events`, what counts on some day from the first on. experience: of
        `person_activity.experience`, what was known before the first day, as of the day before.
    """
    unsettled = unsettled_workflows(older, first_day)
    known = completions.filter(completions.known_day < first_day)
    return {
        UNSETTLED_EVENTS: older.task_events.semi_join(unsettled, "workflow_id"),
        DAILY_EVENTS: daily_events(recent_events(older.task_events, first_day)),
        EXPERIENCE: experience(known, first_day),
    }


def added_up(before: Mapping[str, ir.Table], events: ir.Table) -> ir.Table:
    """Return the daily_events of what was handed on to an interval and of its own events."""
    return add_daily_events(before[DAILY_EVENTS], daily_events(events))


def experience_so_far(
    before: Mapping[str, ir.Table], completions: ir.Table, first_day: Day
) -> ir.Table:
    """Return the experience that was handed on to an interval and what became known since.

    Args:
        before: what was handed on, by name.
        completions: of `facts.COMPLETIONS`; those recorded before the interval's end.
        first_day: UTC day in which the interval begins.
    """
    new = experience(completions.filter(completions.known_day >= first_day))
    return before[EXPERIENCE].union(new.select(before[EXPERIENCE].columns))


def handed_on(
    part: History, daily: ir.Table, experienced: ir.Table, next_day: Day
) -> dict[str, ir.Table]:
    """Make what an interval hands on: see `looked_for`.

    Args:
        part: of the workflows that were touched in it or not settled before.
        daily: of `added_up`.
        experienced: of `experience_so_far`.
        next_day: UTC day in which the next interval begins.
    """
    unsettled = unsettled_workflows(part, next_day)
    return {
        UNSETTLED_EVENTS: part.task_events.semi_join(unsettled, "workflow_id"),
        DAILY_EVENTS: recent_days(daily, next_day),
        EXPERIENCE: experience_before(experienced, next_day),
    }
