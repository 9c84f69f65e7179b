"""Experience of a person with an activity at the end of a day: count, recency, speed."""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from pipelines.features.day_close import close_days, with_timestamps
from pipelines.features.timing import EVERY_DAY, Day, Span, milliseconds

_KEYS = ("person_id", "activity")
_EVERYONE = ("activity",)
_SUMS = ("service_count", "service_ms", "sojourn_count", "sojourn_ms")


def person_activity(daily: ir.Table, span: Span = EVERY_DAY) -> ir.Table:
    """Compute the view `person_activity`: a row for each day with a completion that became known.

    Args:
        daily: of `experience`, with all that was known before `span` too; what has no person
            counts for everyone's mean only.
        span: days of which rows are wanted.
    """
    own = _so_far(daily, _KEYS, ("completed_count", *_SUMS), span)
    everyone = _so_far(daily, _EVERYONE, _SUMS, span)
    latest = daily.select(*_KEYS, "day", last_completed_at=_latest_so_far(daily))
    rows = own.left_join(latest, [*_KEYS, "day"])
    rows = rows.drop("person_id_right", "activity_right", "day_right")
    rows = rows.left_join(everyone, [*_EVERYONE, "day"], rname="all_{name}")
    speed = _mean_ratio(rows, "service").coalesce(_mean_ratio(rows, "sojourn"))
    rows = rows.select(
        *_KEYS, "day", "completed_count", "last_completed_at", relative_speed_ratio=speed
    )
    return with_timestamps(rows)


def experience(completions: ir.Table, first_day: Day | None = None) -> ir.Table:
    """Sum up what became known on each day of each person and activity.

    Args:
        completions: of `durations.completed_tasks`.
        first_day: the days before it are one; None keeps them apart.

    Returns:
        person_id, activity, day; completed_count; the count and the sum in milliseconds of the
        service times and of the sojourn times; last_completed_at.
    """
    day = completions.known_day
    if first_day is not None:
        day = ibis.greatest(day, first_day - 1)
    return completions.group_by(*_KEYS, day=day).agg(
        completed_count=completions.count(),
        service_count=completions.service_time_s.count(),
        service_ms=_total(milliseconds(completions.service_time_s)),
        sojourn_count=completions.sojourn_time_s.count(),
        sojourn_ms=_total(milliseconds(completions.sojourn_time_s)),
        last_completed_at=completions.completed_at.max(),
    )


def experience_before(daily: ir.Table, first_day: Day) -> ir.Table:
    """Make one day of all the days of `experience` before this one."""
    daily = daily.filter(daily.day < first_day)
    return daily.group_by(*_KEYS, day=ibis.greatest(daily.day, first_day - 1)).agg(
        **{name: _total(daily[name]) for name in ("completed_count", *_SUMS)},
        last_completed_at=daily.last_completed_at.max(),
    )


def _total(values: ir.NumericColumn) -> ir.IntegerValue:
    return values.sum().cast("int64").coalesce(0)


def _so_far(daily: ir.Table, keys: Sequence[str], sums: Sequence[str], span: Span) -> ir.Table:
    """Sum up everything known at the end of the days on which something became known."""
    changes = daily.select(*keys, "day", *sums, is_active=ibis.literal(1, type="int64"))
    return close_days(keys, [changes], span)


def _latest_so_far(daily: ir.Table) -> ir.TimestampColumn:
    so_far = ibis.window(group_by=list(_KEYS), order_by="day", rows=(None, 0))
    return daily.last_completed_at.max().over(so_far)


def _mean_ratio(rows: ir.Table, kind: str) -> ir.FloatingColumn:
    """Divide the person's mean by everyone's; null where one is unknown or everyone's is zero."""
    own = rows[f"{kind}_ms"] / rows[f"{kind}_count"].nullif(0)
    everyone = rows[f"all_{kind}_ms"] / rows[f"all_{kind}_count"].nullif(0)
    return own / everyone.nullif(0)
