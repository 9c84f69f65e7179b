"""In which state a workflow is: the activity of its last known event, until it is closed.

An event recorded late counts from the moment it was recorded, and not at all where a later
event was already known. Once the closing is known, nothing moves a workflow any more.
"""

import ibis
import ibis.expr.types as ir

from pipelines.features.coding import CodedEvents, with_texts
from pipelines.features.prefixes import in_order
from pipelines.features.timing import day_number, microseconds, seconds_between

_NEVER = 2**62


def as_learned(events: ir.Table, group: str) -> ir.Table:
    """Keep the events that moved a group on when they became known.

    Args:
        events: of `coding.CodedEvents`.
        group: number that tells workflows or tasks apart.

    Returns:
        The events with known_us (when the event had happened and been recorded), without those
        of which a later one was already known.
    """
    events = events.mutate(known_us=ibis.greatest(events.happened_us, events.recorded_us))
    learned = ibis.window(group_by=group, order_by=["known_us", "place"], rows=(None, -1))
    events = events.mutate(known_place=events.place.max().over(learned).coalesce(0))
    return events.filter(events.place > events.known_place).drop("known_place")


def state_changes(coded: CodedEvents, closures: ir.Table) -> ir.Table:
    """Return by how much each day changes the number of open workflows in each state.

    Args:
        coded: of `coding.code_events`.
        closures: the history's `workflow_closures`.

    Returns:
        day (UTC day since 1970 from whose end on the change is known), activity and change.
    """
    closed = _closings(coded, closures)
    events = coded.events.select("workflow", "place", "activity_code", "happened_us", "recorded_us")
    events = as_learned(events, "workflow")
    events = events.left_join(closed, "workflow").drop("workflow_right")
    events = events.filter(events.known_us < events.closed_known_us.coalesce(_NEVER))
    next_us = events.known_us.lead().over(in_order("workflow"))
    states = events.select(
        "activity_code",
        begun=day_number(events.known_us),
        ended=day_number(next_us.coalesce(events.closed_known_us)),
    )
    states = states.filter(states.ended.isnull() | (states.begun < states.ended))
    left = states.filter(states.ended.notnull())
    changes = states.select(
        "activity_code", day=states.begun, change=ibis.literal(1, type="int64")
    ).union(left.select("activity_code", day=left.ended, change=ibis.literal(-1, type="int64")))
    changes = changes.group_by("activity_code", "day").agg(
        change=changes.change.sum().cast("int64")
    )
    texts = {"activity": ("activity_code", coded.activities)}
    return with_texts(changes, texts).select("day", "activity", "change")


def times_to_closing(coded: CodedEvents, closures: ir.Table) -> ir.Table:
    """Return how long closed workflows took from each of their states to the closing.

    Args:
        coded: of `coding.code_events`.
        closures: the history's `workflow_closures`.

    Returns:
        workflow_id; activity; remaining_time_s, from the workflow's last event of the activity
        to its closing, of the events recorded by then; recorded_at of the closing;
        happened_day and known_day (UTC days since 1970 of the closing, and from whose end on
        it counts).
    """
    closed = _closings(coded, closures)
    events = coded.events.select("workflow", "activity_code", "happened_us", "recorded_us")
    events = events.inner_join(closed, "workflow")
    events = events.filter(
        events.recorded_us <= events.closed_recorded_us, events.happened_us <= events.closed_us
    )
    last = events.group_by("workflow", "activity_code").agg(last_us=events.happened_us.max())
    last = last.inner_join(closed, "workflow")
    times = last.select(
        "workflow_id",
        "activity_code",
        recorded_at=last.closing_recorded_at,
        remaining_time_s=seconds_between(last.last_us, last.closed_us),
        happened_day=day_number(last.closed_us),
        known_day=day_number(last.closed_known_us),
    )
    texts = {"activity": ("activity_code", coded.activities)}
    return with_texts(times, texts).select(
        "workflow_id",
        "activity",
        "recorded_at",
        "remaining_time_s",
        "happened_day",
        "known_day",
    )


def _closings(coded: CodedEvents, closures: ir.Table) -> ir.Table:
    """Return of each closed workflow the closing that was recorded first."""
    numbered = closures.inner_join(coded.workflows, "workflow_id")
    closed_us = microseconds(numbered.closed_at)
    recorded_us = microseconds(numbered.recorded_at)
    numbered = numbered.select(
        "workflow",
        "workflow_id",
        closing_recorded_at=numbered.recorded_at,
        closed_us=closed_us,
        closed_recorded_us=recorded_us,
        closed_known_us=ibis.greatest(closed_us, recorded_us),
    )
    first = ibis.window(group_by="workflow", order_by=["closed_recorded_us", "closed_us"])
    numbered = numbered.mutate(number=ibis.row_number().over(first))
    return numbered.filter(numbered.number == 0).drop("number")
