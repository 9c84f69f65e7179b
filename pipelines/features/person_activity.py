"""Experience of a person with an activity at the end of a day: count, recency, speed."""

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir

from pipelines.features.day_close import (
    ONE,
    active_days,
    close_days,
    since_known,
    with_timestamps,
)
from pipelines.features.timing import milliseconds

_KEYS = ("person_id", "activity")
_EVERYONE = ("activity",)


def person_activity(completions: ir.Table) -> ir.Table:
    """Compute the view `person_activity`: a row for each day with a completion that became known.

    Args:
        completions: of `durations.completed_tasks`; those without a person count for
            everyone's mean only.
    """
    sums: Mapping[str, ir.Value] = {
        "service_count": completions.service_time_s.notnull().cast("int64"),
        "service_ms": milliseconds(completions.service_time_s).coalesce(0),
        "sojourn_count": completions.sojourn_time_s.notnull().cast("int64"),
        "sojourn_ms": milliseconds(completions.sojourn_time_s).coalesce(0),
    }
    own = _sums(completions, _KEYS, {"completed_count": ONE, **sums})
    everyone = _sums(completions, _EVERYONE, sums)
    latest = completions.group_by(*_KEYS, day=completions.known_day).agg(
        last_completed_at=completions.completed_at.max()
    )
    latest = latest.mutate(last_completed_at=_latest_so_far(latest))
    rows = own.left_join(latest, [*_KEYS, "day"])
    rows = rows.drop("person_id_right", "activity_right", "day_right")
    rows = rows.left_join(everyone, [*_EVERYONE, "day"], rname="all_{name}")
    speed = _mean_ratio(rows, "service").coalesce(_mean_ratio(rows, "sojourn"))
    rows = rows.select(
        *_KEYS, "day", "completed_count", "last_completed_at", relative_speed_ratio=speed
    )
    return with_timestamps(rows)


def _sums(completions: ir.Table, keys: Sequence[str], values: Mapping[str, ir.Value]) -> ir.Table:
    """Sum up everything known at the end of the days on which something became known."""
    return close_days(
        keys,
        [
            active_days(completions, keys, "known_day"),
            since_known(completions, keys, values),
        ],
    )


def _latest_so_far(latest: ir.Table) -> ir.TimestampColumn:
    so_far = ibis.window(group_by=list(_KEYS), order_by="day", rows=(None, 0))
    return latest.last_completed_at.max().over(so_far)


def _mean_ratio(rows: ir.Table, kind: str) -> ir.FloatingColumn:
    """Divide the person's mean by everyone's; null where one is unknown or everyone's is zero."""
    own = rows[f"{kind}_ms"] / rows[f"{kind}_count"].nullif(0)
    everyone = rows[f"all_{kind}_ms"] / rows[f"all_{kind}_count"].nullif(0)
    return own / everyone.nullif(0)
