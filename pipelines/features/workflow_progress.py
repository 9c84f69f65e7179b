"""A workflow's prefix at every moment with an event: position, times, activities, people."""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP, Transition
from pipelines.features.activity_counts import counts_text, with_numbers
from pipelines.features.calendar import working_seconds
from pipelines.features.coding import CodedEvents, Keep, with_texts
from pipelines.features.durations import task_ready_us
from pipelines.features.prefixes import VERSION_KEY, in_order, is_open
from pipelines.features.task_attributes import attributes_text, with_entries, with_presence
from pipelines.features.timing import microseconds, seconds_between
from pipelines.features.totals import newest_totals, running_totals

_BEFORE = (None, -1)
# What an event carries to the row of its moment.
_KEPT = (
    "workflow",
    "position",
    "occurred_at",
    "happened_us",
    "next_us",
    "known_from_us",
    "known_until_us",
    "transition",
    "activity_code",
    "previous_code_1",
    "previous_code_2",
    "previous_code_3",
    "task_waiting_time_s",
    "task_age_s",
)
# What the running sums need besides.
_SUMMED = ("version", "place", "recorded_at", "person_code", "team_code", "document_code")
_FACTS = ("due_at", "template_id", "client_id", "priority")
_FINAL = (
    "workflow_id",
    CREATED_TIMESTAMP,
    "opened_at",
    *_FACTS,
    "task_waiting_time_s",
    "task_age_s",
    "distinct_activity_count",
    "rework_count",
    "handover_count",
    "open_task_count",
    "workflow_attributes",
)


def workflow_progress(  # noqa: PLR0917 - explicit parameters beat a bag
    tasks: ir.Table,
    coded: CodedEvents,
    workflows: ir.Table,
    attribute_keys: Sequence[str],
    activities: Sequence[str],
    since: ir.TimestampScalar | None = None,
    keep: Keep = lambda _, table: table,
) -> ir.Table:
    """Compute the view `workflow_progress`: a row for every moment with an event.

    Events of a workflow at the same moment give one row, of the last by `sequence`. Where
    something is recorded late, the rows from its moment on appear once more, corrected, with
    the time of that recording as `created_timestamp`.

    Args:
        tasks: of `prefixes.task_prefixes`.
        coded: what its numbers mean.
        workflows: the history's.
        attribute_keys: keys that occur in the events' attributes.
        activities: activities that occur in the events.
        since: rows created before may be left out; None means all rows.
        keep: see `compute.ViewComputer`; used where rows may be left out.
    """
    events = with_presence(_flagged(tasks), coded.documents, attribute_keys)
    if since is None:
        events = with_numbers(events, coded.activities, activities)
        events = running_totals(events, _KEPT, attribute_keys, activities)
    else:
        opened = workflows.filter(workflows.recorded_at >= since)
        opened = coded.workflows.semi_join(opened, "workflow_id")
        names = coded.activities
        events = newest_totals(
            events, _KEPT, attribute_keys, activities, names, opened, since, keep
        )
        events = keep("totals", events)
    rows = events.filter(events.next_us.isnull() | (events.next_us > events.happened_us))
    rows = _with_openings(rows, coded, workflows)
    # Prefixes without any new recording were rows of an earlier version already.
    rows = rows.filter(microseconds(rows[CREATED_TIMESTAMP]) >= rows.known_from_us)
    texts = {"last_activity": ("activity_code", coded.activities)}
    for n in (1, 2, 3):
        texts[f"previous_activity_{n}"] = (f"previous_code_{n}", coded.activities)
    texts["last_person_id"] = ("last_person_code", coded.people)
    texts["last_team_id"] = ("last_team_code", coded.teams)
    rows = with_entries(with_texts(rows, texts), coded.documents, attribute_keys)
    opened_us = microseconds(rows.opened_at)
    return rows.select(
        *_FINAL,
        *texts,
        last_event_at=rows.occurred_at,
        event_count=rows.position,
        elapsed_s=seconds_between(opened_us, rows.happened_us),
        since_previous_event_s=seconds_between(rows.moment_before_us, rows.happened_us),
        working_elapsed_s=working_seconds(opened_us, rows.happened_us),
        last_transition=rows.transition,
        activity_counts=counts_text(rows, activities) if since is None else rows.activity_counts,
        task_attributes=attributes_text(rows, attribute_keys),
        **{EVENT_TIMESTAMP: rows.occurred_at},
    )


def _flagged(tasks: ir.Table) -> ir.Table:
    """Say of each event what it adds: a first activity, rework, a change of open tasks."""
    activity = in_order(*VERSION_KEY, "activity_code")
    before = in_order(*VERSION_KEY, "activity_code", rows=_BEFORE)
    is_completion = (tasks.transition == Transition.COMPLETED.value).cast("int32")
    return tasks.select(
        *(name for name in (*_KEPT, *_SUMMED) if name in tasks.columns),
        # At the first event of a moment, the moment before; it only grows along a version.
        moment_before_us=(tasks.previous_us < tasks.happened_us).ifelse(
            tasks.previous_us, ibis.null("int64")
        ),
        task_waiting_time_s=seconds_between(task_ready_us(tasks), tasks.started_us),
        task_age_s=seconds_between(tasks.begun_us, tasks.happened_us),
        is_new_activity=(ibis.row_number().over(activity) == 0).cast("int32"),
        is_rework=(is_completion.sum().over(before).coalesce(0) > 0).cast("int32"),
        opened_count=is_open(tasks.transition).cast("int32") - tasks.was_open,
        is_handover=(tasks.person_code != tasks.person_before).cast("int32").coalesce(0),
    )


def _with_openings(rows: ir.Table, coded: CodedEvents, workflows: ir.Table) -> ir.Table:
    """Add what was known of the workflow's opening, and since when all of a row was known."""
    openings = workflows.select(
        *_FACTS,
        workflow_id_="workflow_id",
        opened_="opened_at",
        attributes_="attributes",
        opening_recorded_at="recorded_at",
    )
    rows = rows.inner_join(coded.workflows, "workflow")
    rows = rows.left_join(openings, coded.workflows.workflow_id == openings.workflow_id_)
    known_until_us = rows.known_until_us.coalesce(2**62)
    is_known = microseconds(rows.opening_recorded_at) < known_until_us

    def known(name: str) -> ir.Value:
        return is_known.ifelse(rows[name], ibis.null(rows[name].type()))

    # A maximum: what is not known of the opening does not count.
    recorded_at = is_known.ifelse(rows.opening_recorded_at, rows.newest_recorded_at)
    newest = ibis.greatest(rows.newest_recorded_at, recorded_at.coalesce(rows.newest_recorded_at))
    spent = {"workflow_id_", "opened_", "attributes_", "opening_recorded_at", *_FACTS}
    return rows.select(
        *(name for name in rows.columns if name not in spent),
        **{name: known(name) for name in _FACTS},
        opened_at=known("opened_").coalesce(rows.first_event_at),
        workflow_attributes=known("attributes_").coalesce("{}"),
        **{CREATED_TIMESTAMP: newest},
    )
