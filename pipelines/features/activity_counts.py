"""How often each activity has occurred so far, as one JSON object.

Two counts share one whole number, so that a running sum counts two activities at once.
"""

import json
from collections.abc import Sequence
from typing import Final

import ibis
import ibis.expr.types as ir
from ibis.expr.builders import WindowBuilder

from pipelines.features.coding import over

# Two counts below this make a number below 2^53, up to which every engine divides exactly.
_COUNTS: Final = 2**26


def with_numbers(events: ir.Table, names: ir.Table, activities: Sequence[str]) -> ir.Table:
    """Join activity_number, the place of the event's activity among the sorted `activities`.

    Args:
        events: with activity_code.
        names: activity_code and activity.
        activities: every activity that may occur.
    """
    order = sorted(activities)
    if not order:
        return events
    number = names.activity.cases(*((name, number) for number, name in enumerate(order)))
    numbers = names.select(counted_code="activity_code", activity_number=number.cast("int32"))
    return events.left_join(numbers, events.activity_code == numbers.counted_code)


def running_counts(
    events: ir.Table, activities: Sequence[str], so_far: WindowBuilder | None
) -> dict[str, ir.IntegerValue]:
    """Return the counts of `activities` over a window, two by two: pair_0, pair_1 and so on."""
    if not activities:
        return {}
    unit = (events.activity_number % 2 == 0).ifelse(1, _COUNTS).cast("int64")
    pairs = {
        f"pair_{pair}": events.activity_number.isin([2 * pair, 2 * pair + 1]).ifelse(unit, 0).sum()
        for pair in range((len(activities) + 1) // 2)
    }
    return {name: over(pair, so_far).cast("int64") for name, pair in pairs.items()}


def counts_text(rows: ir.Table, activities: Sequence[str]) -> ir.StringValue:
    """Write the counts above zero of `running_counts` as a JSON object, keys in sorted order."""
    entries = []
    for number, name in enumerate(sorted(activities)):
        pair = rows[f"pair_{number // 2}"]
        count = pair % _COUNTS if number % 2 == 0 else pair // _COUNTS
        entry = ibis.literal(f"{json.dumps(name)}: ") + count.cast("string")
        entries.append((count > 0).ifelse(entry, ibis.null("string")))
    # Not one after the other: each step would copy what there is, and be planned by itself.
    text = ibis.array(entries).join(", ").coalesce("") if entries else ibis.literal("")
    return ibis.literal("{") + text + ibis.literal("}")
