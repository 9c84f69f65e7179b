"""How often each activity has occurred so far, as one JSON object.

Along all prefixes running sums count, two activities in one whole number. For a few prefixes
what precedes each is counted anew: its statement is a fraction as long.
"""

import json
from collections.abc import Sequence
from typing import Final

import ibis
import ibis.expr.types as ir
from ibis.expr.builders import WindowBuilder

from pipelines.features.prefixes import VERSION_KEY

# Two counts below this make a number below 2^53, up to which every engine divides exactly.
_COUNTS: Final = 2**26


def with_numbers(events: ir.Table, names: ir.Table, activities: Sequence[str]) -> ir.Table:
    """Join what the event's activity adds to `running_counts`: pair_number and pair_unit.

    Activities are numbered as sorted, and two by two make a pair.

    Args:
        events: with activity_code.
        names: activity_code and activity.
        activities: every activity that may occur.
    """
    order = sorted(activities)
    if not order:
        return events
    number = names.activity.cases(*((name, number) for number, name in enumerate(order)))
    numbers = names.select(
        counted_code="activity_code",
        pair_number=(number // 2).cast("int32"),
        pair_unit=(number % 2 == 0).ifelse(1, _COUNTS).cast("int64"),
    )
    return events.left_join(numbers, events.activity_code == numbers.counted_code)


def running_counts(
    events: ir.Table, activities: Sequence[str], so_far: WindowBuilder
) -> dict[str, ir.IntegerValue]:
    """Return the counts of `activities` over a window, two by two: pair_0, pair_1 and so on."""
    if not activities:
        return {}
    pairs = {
        f"pair_{pair}": (events.pair_number == pair).ifelse(events.pair_unit, 0).sum()
        for pair in range((len(activities) + 1) // 2)
    }
    return {name: pair.over(so_far).cast("int64") for name, pair in pairs.items()}


def counts_text(rows: ir.Table, activities: Sequence[str]) -> ir.StringValue:
    """Write the counts above zero of `running_counts` as a JSON object, keys in sorted order."""
    entries = []
    for number, name in enumerate(sorted(activities)):
        pair = rows[f"pair_{number // 2}"]
        count = pair % _COUNTS if number % 2 == 0 else pair // _COUNTS
        entry = ibis.literal(_label(name)) + count.cast("string")
        entries.append((count > 0).ifelse(entry, ibis.null("string")))
    # Not one after the other: each step would copy what there is, and be planned by itself.
    text = ibis.array(entries).join(", ").coalesce("") if entries else ibis.literal("")
    return ibis.literal("{") + text + ibis.literal("}")


def newest_counts(events: ir.Table, names: ir.Table, activities: Sequence[str]) -> ir.Table:
    """Count for the newest prefixes the events so far; DuckDB only.

    Args:
        events: with workflow, version, place and activity_code; begin, the place from which on
            prefixes are wanted.
        names: see `with_numbers`.
        activities: see `with_numbers`.

    Returns:
        The version's key, place and activity_counts, the text that `counts_text` writes.
    """
    later = events.filter(events.place >= events.begin)
    key = [*VERSION_KEY, "place"]
    # What stands before the first of them is counted once, not for every prefix.
    earlier = events.filter(events.place < events.begin)
    earlier = earlier.group_by(*VERSION_KEY, "activity_code").agg(event_count=earlier.count())
    earlier = earlier.mutate(place=ibis.literal(0, "int32"))
    columns = (*VERSION_KEY, "activity_code", "place", "event_count")
    steps = earlier.select(columns).union(
        later.select(*VERSION_KEY, "activity_code", "place", event_count=ibis.literal(1, "int64"))
    )
    steps = steps.rename(lambda name: f"step_{name}")
    is_before = [later[name] == steps[f"step_{name}"] for name in VERSION_KEY]
    before = later.select(*key).inner_join(steps, [*is_before, steps.step_place <= later.place])
    counts = before.group_by(*key, activity_code=before.step_activity_code).agg(
        event_count=before.step_event_count.sum()
    )
    labels = names.activity.cases(*((name, _label(name)) for name in activities or [""]))
    counts = counts.inner_join(names.mutate(label=labels), "activity_code")
    entry = counts.label + counts.event_count.cast("int64").cast("string")
    entries = entry.group_concat(", ", order_by=counts.activity)
    return counts.group_by(*key).agg(
        activity_counts=ibis.literal("{") + entries + ibis.literal("}")
    )


def _label(activity: str) -> str:
    return f"{json.dumps(activity)}: "
