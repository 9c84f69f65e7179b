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
from pipelines.features.timing import microseconds

VERSION_KEY: Final = ("workflow_id", "version")
_BEFORE_ALL: Final = -(2**62)  # earlier than any moment in microseconds


def known_prefixes(task_events: ir.Table, workflows: ir.Table) -> ir.Table:
    """Repeat every event once for each version of its workflow that holds it.

    Args:
        task_events: the history's.
        workflows: the history's.

    Returns:
        The columns of `task_events` without sequence and event_id; happened_us and recorded_us
        (microseconds since 1970); version (0, 1, …), known_from_us and known_until_us (null in
        the last version): the version holds what was recorded before `known_until_us`, and
        only its prefixes with a recording at or after `known_from_us` are new; position (1, 2,
        … by occurred_at, sequence, event_id within a version).
    """
    events = task_events.mutate(
        happened_us=microseconds(task_events.occurred_at),
        recorded_us=microseconds(task_events.recorded_at),
    )
    late = _late_recordings(events, workflows)
    first_late = late.group_by("workflow_id").agg(first_late_us=late.known_from_us.min())
    original = events.left_join(first_late, "workflow_id").drop("workflow_id_right")
    original = original.filter(
        original.first_late_us.isnull() | (original.recorded_us < original.first_late_us)
    )
    original = original.mutate(
        version=ibis.literal(0, type="int64"),
        known_from_us=ibis.literal(_BEFORE_ALL, type="int64"),
        known_until_us=original.first_late_us,
    ).drop("first_late_us")
    corrected = events.inner_join(late, "workflow_id")
    corrected = corrected.filter(
        corrected.known_until_us.isnull() | (corrected.recorded_us < corrected.known_until_us)
    )
    prefixes = original.union(corrected.select(original.columns))
    return prefixes.mutate(position=position_in(*VERSION_KEY)).drop("sequence", "event_id")


def position_in(*group_by: str) -> ir.IntegerColumn:
    """Return the numbers (1, 2, …) of a group's events in the order they happened."""
    order = ["happened_us", "sequence", "event_id"]
    return ibis.row_number().over(ibis.window(group_by=list(group_by), order_by=order)) + 1


def in_order(*group_by: str, rows: tuple[int | None, int | None] | None = None) -> WindowBuilder:
    """Return a window over events by position; `rows` bounds its frame."""
    return ibis.window(group_by=list(group_by), order_by="position", rows=rows)


def is_open(transition: ir.StringValue) -> ir.BooleanValue:
    """Tell whether a task is open after this transition."""
    return transition.notin([Transition.COMPLETED.value, Transition.CANCELLED.value])


def last_known(
    value: ir.StringValue, position: ir.IntegerValue, window: WindowBuilder
) -> ir.StringValue:
    """Return the last text in a window that is not null, by `position` (below 10^9).

    Engines disagree on whether LAST_VALUE skips nulls; a running maximum of the value behind
    its position means the same on all of them.
    """
    return ((position + 10**9).cast("string") + value).max().over(window).substr(10)


def _late_recordings(events: ir.Table, workflows: ir.Table) -> ir.Table:
    """Return per workflow the recordings of something earlier than what was known by then."""
    openings = workflows.select(
        "workflow_id",
        recorded_us=microseconds(workflows.recorded_at),
        happened_us=ibis.literal(_BEFORE_ALL, type="int64"),
    )
    known = events.select("workflow_id", "recorded_us", "happened_us").union(openings)
    moments = known.group_by("workflow_id", "recorded_us").agg(
        earliest_us=known.happened_us.min(), latest_us=known.happened_us.max()
    )
    before = ibis.window(group_by="workflow_id", order_by="recorded_us", rows=(None, -1))
    moments = moments.mutate(known_latest_us=moments.latest_us.max().over(before))
    late = moments.filter(moments.earliest_us <= moments.known_latest_us)
    by_time = ibis.window(group_by="workflow_id", order_by="recorded_us")
    return late.select(
        "workflow_id",
        version=ibis.row_number().over(by_time) + 1,
        known_from_us=late.recorded_us,
        known_until_us=late.recorded_us.lead().over(by_time),
    )
