"""What adds up along each version of a workflow: all along it, or from an interval's start on."""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis.expr.builders import WindowBuilder

from pipelines.features.activity_counts import newest_counts, running_counts
from pipelines.features.coding import Keep, last_known, over
from pipelines.features.prefixes import VERSION_KEY, in_order
from pipelines.features.task_attributes import last_documents

_SO_FAR = in_order(*VERSION_KEY, rows=(None, 0))


def running_totals(
    events: ir.Table, kept: Sequence[str], attribute_keys: Sequence[str], activities: Sequence[str]
) -> ir.Table:
    """Sum up along each version what its events add; `kept` are other columns to keep."""
    return events.select(
        *kept,
        **running_counts(events, activities, _SO_FAR),
        **_sums(events, _SO_FAR),
        **_lasts(events, attribute_keys, _SO_FAR),
        first_event_at=events.occurred_at.min().over(_SO_FAR),
        newest_recorded_at=events.recorded_at.max().over(_SO_FAR),
    )


def newest_totals(  # noqa: PLR0917 - explicit parameters beat a bag
    events: ir.Table,
    kept: Sequence[str],
    attribute_keys: Sequence[str],
    activities: Sequence[str],
    names: ir.Table,
    opened: ir.Table,
    since: ir.TimestampScalar,
    keep: Keep,
) -> ir.Table:
    """Do as `running_totals` for the prefixes of which something was recorded from `since` on.

    In a version that is all from its first such event on. What stands before it is added up
    once, not for every prefix.

    Args:
        events: see `running_totals`.
        kept: see `running_totals`.
        attribute_keys: see `running_totals`.
        activities: see `running_totals`.
        names: activity_code and activity.
        opened: workflow of those whose opening was recorded from `since` on.
        since: begin of the interval.
        keep: see `compute.ViewComputer`.
    """
    opened = opened.select(opened_workflow="workflow")
    events = events.left_join(opened, events.workflow == opened.opened_workflow)
    is_new = (events.recorded_at >= since) | events.opened_workflow.notnull()
    # Read three times from here on.
    events = keep("steps", events.mutate(is_new=is_new))
    begins = events.filter(events.is_new).group_by(*VERSION_KEY).agg(begin=events.place.min())
    events = events.inner_join(begins, VERSION_KEY)
    earlier = events.filter(events.place < events.begin)
    before = earlier.group_by(*VERSION_KEY).agg(
        **{f"{name}_before": total for name, total in _sums(earlier, None).items()},
        **{f"{name}_before": last for name, last in _lasts(earlier, attribute_keys, None).items()},
        first_event_at_before=earlier.occurred_at.min(),
    )
    later = events.filter(events.place >= events.begin).left_join(before, VERSION_KEY)
    counts = keep("counts", newest_counts(events, names, activities))
    sums, lasts = _sums(later, _SO_FAR), _lasts(later, attribute_keys, _SO_FAR)
    first_event_at = later.occurred_at.min().over(_SO_FAR)
    totals = later.select(
        *{*kept, *VERSION_KEY, "place"},
        **{name: total + later[f"{name}_before"].coalesce(0) for name, total in sums.items()},
        **{name: ibis.coalesce(last, later[f"{name}_before"]) for name, last in lasts.items()},
        first_event_at=later.first_event_at_before.coalesce(first_event_at),
        newest_recorded_at=later.recorded_at.max().over(_SO_FAR),
    )
    return totals.inner_join(counts, [*VERSION_KEY, "place"])


def _sums(events: ir.Table, window: WindowBuilder | None) -> dict[str, ir.IntegerValue]:
    return {
        "distinct_activity_count": over(events.is_new_activity.sum(), window),
        "rework_count": over(events.is_rework.sum(), window),
        "handover_count": over(events.is_handover.sum(), window),
        "open_task_count": over(events.opened_count.sum(), window),
    }


def _lasts(
    events: ir.Table, attribute_keys: Sequence[str], window: WindowBuilder | None
) -> dict[str, ir.Value]:
    """Return what the latest event that says it says."""
    return {
        **last_documents(events, attribute_keys, window),
        "moment_before_us": over(events.moment_before_us.max(), window),
        "last_person_code": last_known(events.person_code, events.place, window),
        "last_team_code": last_known(events.team_code, events.place, window),
    }
