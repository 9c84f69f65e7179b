"""Every workflow's events as the platform knew them, version by version.

Where events are recorded in the order in which they happen, a workflow has one version. An
event recorded after a later one (or a workflow's opening recorded after its events) changes
what had been known; from that moment on a new version holds. In each version the events up to
any of them are a prefix of which nothing was recorded later than its own newest recording, so
windows over one version never look into the future, and rows are corrected, never rewritten.

The number of versions is the number of late recordings of the workflow plus one; the rows of
a version repeat its events, so a log recorded wholly in reverse costs the square of its length.
"""

from typing import Final

import ibis
import ibis.expr.types as ir
from ibis.expr.builders import WindowBuilder

from pipelines.contracts import Transition
from pipelines.features.coding import CodedEvents, last_known
from pipelines.features.timing import microseconds

VERSION_KEY: Final = ("workflow", "version")
_BEFORE_ALL: Final = -(2**62)  # earlier than any moment in microseconds


def known_prefixes(coded: CodedEvents, workflows: ir.Table) -> ir.Table:
    """Repeat every event once for each version of its workflow that holds it.

    Args:
        coded: of `coding.code_events`.
        workflows: the history's.

    Returns:
        The columns of `coded.events`; version (0, 1, …), known_from_us and known_until_us (null
        in the last version): the version holds what was recorded before `known_until_us`, and
        only its prefixes with a recording at or after `known_from_us` are new; position (1, 2, …
        by place within a version); previous_us and next_us, when the events before and after
        it happened; previous_code_1 to _3, the activities before it; person_before, the person
        last named before it.
    """
    events = coded.events
    late = _late_recordings(events, workflows.inner_join(coded.workflows, "workflow_id"))
    first_late = late.group_by("workflow").agg(first_late_us=late.known_from_us.min())
    original = events.left_join(first_late, "workflow").drop("workflow_right")
    original = original.filter(
        original.first_late_us.isnull() | (original.recorded_us < original.first_late_us)
    )
    original = original.mutate(
        version=ibis.literal(0, type="int32"),
        known_from_us=ibis.literal(_BEFORE_ALL, type="int64"),
        known_until_us=original.first_late_us,
    ).drop("first_late_us")
    corrected = events.inner_join(late, "workflow")
    corrected = corrected.filter(
        corrected.known_until_us.isnull() | (corrected.recorded_us < corrected.known_until_us)
    )
    prefixes = original.union(corrected.select(original.columns))
    in_log = in_order(*VERSION_KEY)
    before = in_order(*VERSION_KEY, rows=(None, -1))
    return prefixes.mutate(
        position=(ibis.row_number().over(in_log) + 1).cast("int32"),
        previous_us=prefixes.happened_us.lag().over(in_log),
        next_us=prefixes.happened_us.lead().over(in_log),
        **{f"previous_code_{n}": prefixes.activity_code.lag(n).over(in_log) for n in (1, 2, 3)},
        person_before=last_known(prefixes.person_code, prefixes.place, before),
    )


def task_prefixes(prefixes: ir.Table) -> ir.Table:
    """Add to every event what was known of its task with it.

    Returns:
        The columns of `known_prefixes`, and: was_open (1 where the task was open before the
        event, else 0); of the task up to the event begun_us (its first event), ready_us and
        started_us (the first such events; null without), preceding_us (the workflow's event
        before its first one; null without), completion_count, holder_code and holder_team_code
        (the last named).
    """
    step = in_order("task", "version")
    so_far = in_order("task", "version", rows=(None, 0))
    is_start = prefixes.transition == Transition.STARTED.value
    is_ready = prefixes.transition.isin([Transition.CREATED.value, Transition.ASSIGNED.value])
    is_completion = prefixes.transition == Transition.COMPLETED.value
    nothing = ibis.null("int64")
    previous_us = prefixes.previous_us.coalesce(_BEFORE_ALL)
    return prefixes.mutate(
        was_open=is_open(prefixes.transition.lag().over(step)).cast("int32").coalesce(0),
        begun_us=prefixes.happened_us.min().over(so_far),
        ready_us=is_ready.ifelse(prefixes.happened_us, nothing).min().over(so_far),
        started_us=is_start.ifelse(prefixes.happened_us, nothing).min().over(so_far),
        # Never falls along a task: its minimum is the one at the task's first event.
        preceding_us=previous_us.min().over(so_far).nullif(_BEFORE_ALL),
        completion_count=is_completion.cast("int64").sum().over(so_far),
        holder_code=last_known(prefixes.person_code, prefixes.place, so_far),
        holder_team_code=last_known(prefixes.team_code, prefixes.place, so_far),
    )


def in_order(*group_by: str, rows: tuple[int | None, int | None] | None = None) -> WindowBuilder:
    """Return a window over events by their place; `rows` bounds its frame."""
    return ibis.window(group_by=list(group_by), order_by="place", rows=rows)


def is_open(transition: ir.StringValue) -> ir.BooleanValue:
    """Tell whether a task is open after this transition."""
    return transition.notin([Transition.COMPLETED.value, Transition.CANCELLED.value])


def _late_recordings(events: ir.Table, workflows: ir.Table) -> ir.Table:
    """Return per workflow the recordings of something earlier than what was known by then."""
    openings = workflows.select(
        "workflow",
        recorded_us=microseconds(workflows.recorded_at),
        happened_us=ibis.literal(_BEFORE_ALL, type="int64"),
    )
    known = events.select("workflow", "recorded_us", "happened_us").union(openings)
    moments = known.group_by("workflow", "recorded_us").agg(
        earliest_us=known.happened_us.min(), latest_us=known.happened_us.max()
    )
    before = ibis.window(group_by="workflow", order_by="recorded_us", rows=(None, -1))
    moments = moments.mutate(known_latest_us=moments.latest_us.max().over(before))
    late = moments.filter(moments.earliest_us <= moments.known_latest_us)
    by_time = ibis.window(group_by="workflow", order_by="recorded_us")
    return late.select(
        "workflow",
        version=(ibis.row_number().over(by_time) + 1).cast("int32"),
        known_from_us=late.recorded_us,
        known_until_us=late.recorded_us.lead().over(by_time),
    )
