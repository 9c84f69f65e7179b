"""Rows that close a day: counts over trailing days, from what was known at each day's end.

A count is kept as its changes: what happened on day h and became known on day k counts from
the end of day k to the end of day h + n - 1, so it is +1 on day k and -1 on day h + n. The
running sum of the changes is the count at the end of any day, in whole numbers, exactly.

Where only the days from some first day on are wanted, everything that changed before is one
change of the day before: the state that is carried along.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import ibis
import ibis.expr.types as ir

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP
from pipelines.features.timing import EVERY_DAY, Span, day_number, last_moment, microseconds

ONE: Final = ibis.literal(1, type="int64")
_ZERO: Final = ibis.literal(0, type="int64")


def daily_events(events: ir.Table) -> ir.Table:
    """Count the events of each activity, person and team by day.

    Returns:
        activity, person_id, team_id; happened_day and known_day (UTC days since 1970 on which
        they happened, and from whose end on they count); event_count.
    """
    known_at = ibis.greatest(events.occurred_at, events.recorded_at)
    return events.group_by(
        "activity",
        "person_id",
        "team_id",
        happened_day=day_number(microseconds(events.occurred_at)),
        known_day=day_number(microseconds(known_at)),
    ).agg(event_count=events.count())


def add_daily_events(one: ir.Table, other: ir.Table) -> ir.Table:
    """Add up two tables of `daily_events`, made from different events."""
    every = one.union(other.select(one.columns))
    keys = [name for name in every.columns if name != "event_count"]
    return every.group_by(keys).agg(event_count=every.event_count.sum().cast("int64"))


def trailing(
    facts: ir.Table, keys: Sequence[str], days: int, values: Mapping[str, ir.Value]
) -> ir.Table:
    """Return the changes of sums over the trailing `days` days.

    Args:
        facts: with `keys`, happened_day and known_day (not before happened_day).
        keys: columns to sum by.
        days: length of the window; the day that closes is its last.
        values: whole numbers to sum, by the name of their sum.
    """
    facts = facts.select(*keys, "happened_day", "known_day", **values)
    facts = facts.filter(facts.known_day < facts.happened_day + days)
    facts = facts.group_by(*keys, "happened_day", "known_day").agg(
        **{name: facts[name].sum().cast("int64") for name in values}
    )
    changes = facts.mutate(sign=ibis.array([1, -1]).unnest())
    day = (changes.sign > 0).ifelse(changes.known_day, changes.happened_day + days)
    return changes.select(*keys, day=day, **{n: changes[n] * changes.sign for n in values})


def active_days(facts: ir.Table, keys: Sequence[str], day: str) -> ir.Table:
    """Mark the days that get a row: those on which something became known of the keys."""
    return facts.select(*keys, day=facts[day], is_active=ONE).distinct()


def close_days(
    keys: Sequence[str], changes: Sequence[ir.Table], span: Span = EVERY_DAY
) -> ir.Table:
    """Sum up changes and keep the active days.

    Args:
        keys: join keys of the view; rows in which one is null are dropped.
        changes: tables of the keys, `day` and any whole-number columns; a column that a
            table has not is 0 there. At least one has `is_active`.
        span: days of which rows are wanted.

    Returns:
        The keys, day, and the running sum of every column but `is_active` at the day's end.
    """
    names = sorted({name for table in changes for name in table.columns} - {*keys, "day"})
    parts = [
        table.select(
            *keys,
            "day",
            **{n: table[n].cast("int64") if n in table.columns else _ZERO for n in names},
        )
        for table in changes
    ]
    every = ibis.union(*parts) if len(parts) > 1 else parts[0]
    every = every.filter(*(every[key].notnull() for key in keys))
    if span.first is not None:
        every = every.mutate(day=ibis.greatest(every.day, span.first - 1))
    if span.last is not None:
        every = every.filter(every.day <= span.last)
    daily = every.group_by(*keys, "day").agg(**{n: every[n].sum().cast("int64") for n in names})
    so_far = ibis.window(group_by=list(keys), order_by="day", rows=(None, 0))
    sums = {n: daily[n].sum().over(so_far).cast("int64") for n in names if n != "is_active"}
    closed = daily.select(*keys, "day", "is_active", **sums)
    if span.first is not None:
        closed = closed.filter(closed.day >= span.first)
    return closed.filter(closed.is_active > 0).drop("is_active")


def trailing_days(
    facts: ir.Table, keys: Sequence[str], days: int, value: str, span: Span = EVERY_DAY
) -> ir.Table:
    """Repeat `value` of each fact for the days at whose end it is known and in the window."""
    if span.first is not None:
        facts = facts.mutate(known_day=ibis.greatest(facts.known_day, span.first))
    facts = facts.filter(facts.known_day < facts.happened_day + days)
    end = facts.happened_day + days
    if span.last is not None:
        end = ibis.least(end, span.last + 1)
    day = ibis.range(facts.known_day, end).unnest()
    return facts.select(*keys, value, day=day)


def trailing_median(
    facts: ir.Table, keys: Sequence[str], days: int, value: str, span: Span = EVERY_DAY
) -> ir.Table:
    """Return keys, day and the median `value` of the trailing `days` days.

    For every day of `span`, one without news too; days without a value have no row.
    """
    known = trailing_days(facts.filter(facts[value].notnull()), keys, days, value, span)
    return known.group_by(*keys, "day").agg(median=known[value].median())


def with_timestamps(closed: ir.Table) -> ir.Table:
    """Replace `day` by the two timestamps, both the day's last microsecond."""
    moment = last_moment(closed.day)
    return closed.mutate(**{EVENT_TIMESTAMP: moment, CREATED_TIMESTAMP: moment}).drop("day")
