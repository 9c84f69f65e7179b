"""How the number of open tasks moves: +1 where a task opens, -1 where it closes or moves on.

A task is open from its first event to its completion or cancellation, and held by the person
and the team its events last named. An event recorded late counts from the day it was
recorded, and not at all where a later event of its task was already known.
"""

import ibis
import ibis.expr.types as ir

from pipelines.features.coding import CodedEvents, last_known, with_texts
from pipelines.features.prefixes import in_order, is_open
from pipelines.features.states import as_learned
from pipelines.features.timing import day_number

_PARTS = ("activity", "person", "team")


def open_task_changes(coded: CodedEvents) -> ir.Table:
    """Return by how much each day changes the number of open tasks.

    Args:
        coded: of `coding.code_events`.

    Returns:
        day (UTC day since 1970 from whose end on the change is known), activity, person_id,
        team_id (null where no event named one) and change (a whole number).
    """
    events = coded.events.select(
        "task",
        "place",
        "activity_code",
        "transition",
        "person_code",
        "team_code",
        "happened_us",
        "recorded_us",
    )
    events = as_learned(events, "task")
    so_far = in_order("task", rows=(None, 0))
    states = events.select(
        "task",
        "place",
        "activity_code",
        day=day_number(events.known_us),
        is_open=is_open(events.transition).cast("int64"),
        person_code=last_known(events.person_code, events.place, so_far),
        team_code=last_known(events.team_code, events.place, so_far),
    )
    step = in_order("task")
    codes = [f"{part}_code" for part in _PARTS]
    states = states.mutate(
        was_open=states.is_open.lag().over(step).coalesce(0),
        **{f"previous_{code}": states[code].lag().over(step) for code in codes},
    )
    begun = states.filter(states.is_open == 1)
    ended = states.filter(states.was_open == 1)
    changes = begun.select("day", *codes, change=ibis.literal(1, type="int64")).union(
        ended.select(
            "day",
            **{code: ended[f"previous_{code}"] for code in codes},
            change=ibis.literal(-1, type="int64"),
        )
    )
    changes = changes.group_by("day", *codes).agg(change=changes.change.sum().cast("int64"))
    texts = {
        "activity": ("activity_code", coded.activities),
        "person_id": ("person_code", coded.people),
        "team_id": ("team_code", coded.teams),
    }
    return with_texts(changes, texts).select("day", *texts, "change")
