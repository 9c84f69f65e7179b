"""A workflow's prefix at every moment with an event: position, times, activities, people."""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP, Transition
from pipelines.features.calendar import working_seconds
from pipelines.features.prefixes import VERSION_KEY, in_order, is_open, last_known
from pipelines.features.task_attributes import merged_attributes
from pipelines.features.timing import microseconds, seconds_between

_SO_FAR = (None, 0)
_BEFORE = (None, -1)


def workflow_progress(
    prefixes: ir.Table, workflows: ir.Table, attribute_keys: Sequence[str]
) -> ir.Table:
    """Compute the view `workflow_progress`: a row for every moment with an event.

    Events of a workflow at the same moment give one row, of the last by `sequence`. Where
    something is recorded late, the rows from its moment on appear once more, corrected, with
    the time of that recording as `created_timestamp`.

    Args:
        prefixes: of `prefixes.known_prefixes`.
        workflows: the history's.
        attribute_keys: keys that occur in the events' attributes.
    """
    rows = _at_moments(_accumulated(_flagged(prefixes), attribute_keys))
    rows = rows.left_join(_openings(workflows), "workflow_id").drop("workflow_id_right")
    is_known = rows.opening_recorded_us < rows.known_until_us.coalesce(2**62)
    facts = ["opened_at", "due_at", "template_id", "client_id", "priority", "workflow_attributes"]
    known = {name: is_known.ifelse(rows[name], ibis.null(rows[name].type())) for name in facts}
    rows = rows.mutate(
        **known,
        opening_recorded_at=is_known.ifelse(rows.opening_recorded_at, rows.newest_recorded_at),
    )
    rows = rows.mutate(
        opened_at=rows.opened_at.coalesce(rows.first_event_at),
        workflow_attributes=rows.workflow_attributes.coalesce("{}"),
        created=ibis.greatest(
            rows.newest_recorded_at, rows.opening_recorded_at.coalesce(rows.newest_recorded_at)
        ),
    )
    # Prefixes without any new recording were rows of an earlier version already.
    rows = rows.filter(microseconds(rows.created) >= rows.known_from_us)
    opened_us = microseconds(rows.opened_at)
    return rows.mutate(
        elapsed_s=seconds_between(opened_us, rows.happened_us),
        since_previous_event_s=seconds_between(rows.previous_us, rows.happened_us),
        working_elapsed_s=working_seconds(opened_us, rows.happened_us),
        last_event_at=rows.occurred_at,
        **{EVENT_TIMESTAMP: rows.occurred_at, CREATED_TIMESTAMP: rows.created},
    )


def _flagged(events: ir.Table) -> ir.Table:
    """Say of each event what it adds: a first activity, rework, a change of open tasks."""
    version = in_order(*VERSION_KEY)
    activity = in_order(*VERSION_KEY, "activity")
    is_completion = (events.transition == Transition.COMPLETED.value).cast("int64")
    completed_count = is_completion.sum().over(in_order(*VERSION_KEY, "activity", rows=_BEFORE))
    previous_us = events.happened_us.lag().over(version)
    last_transition = events.transition.lag().over(in_order(*VERSION_KEY, "task_id"))
    was_open = is_open(last_transition).cast("int64").coalesce(0)
    return events.mutate(
        **{f"previous_activity_{n}": events.activity.lag(n).over(version) for n in (1, 2, 3)},
        next_happened_us=events.happened_us.lead().over(version),
        # At the first event of a moment, the moment before; it only grows along a version.
        moment_before_us=(previous_us < events.happened_us).ifelse(previous_us, ibis.null("int64")),
        is_new_activity=(ibis.row_number().over(activity) == 0).cast("int64"),
        is_rework=(completed_count.coalesce(0) > 0).cast("int64"),
        opened_count=is_open(events.transition).cast("int64") - was_open,
        person_before=last_known(
            events.person_id, events.position, in_order(*VERSION_KEY, rows=_BEFORE)
        ),
    )


def _accumulated(events: ir.Table, attribute_keys: Sequence[str]) -> ir.Table:
    """Sum up along each version what its events add."""
    so_far = in_order(*VERSION_KEY, rows=_SO_FAR)
    is_handover = (events.person_id != events.person_before).cast("int64").coalesce(0)
    return events.mutate(
        event_count=events.position,
        previous_us=events.moment_before_us.max().over(so_far),
        first_event_at=events.occurred_at.min().over(so_far),
        newest_recorded_at=events.recorded_at.max().over(so_far),
        last_activity=events.activity,
        last_transition=events.transition,
        last_person_id=last_known(events.person_id, events.position, so_far),
        last_team_id=last_known(events.team_id, events.position, so_far),
        distinct_activity_count=events.is_new_activity.sum().over(so_far),
        rework_count=events.is_rework.sum().over(so_far),
        handover_count=is_handover.sum().over(so_far),
        open_task_count=events.opened_count.sum().over(so_far),
        task_attributes=merged_attributes(
            events.attributes, events.position, attribute_keys, so_far
        ),
    )


def _at_moments(events: ir.Table) -> ir.Table:
    """Keep the last event of each moment."""
    is_last = events.next_happened_us.isnull() | (events.next_happened_us > events.happened_us)
    return events.filter(is_last)


def _openings(workflows: ir.Table) -> ir.Table:
    return workflows.select(
        "workflow_id",
        "opened_at",
        "due_at",
        "template_id",
        "client_id",
        "priority",
        workflow_attributes=workflows.attributes,
        opening_recorded_at=workflows.recorded_at,
        opening_recorded_us=microseconds(workflows.recorded_at),
    )
