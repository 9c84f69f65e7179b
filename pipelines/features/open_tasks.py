"""How the number of open tasks moves: +1 where a task opens, -1 where it closes or moves on.

A task is open from its first event to its completion or cancellation, and held by the person
and the team its events last named. An event recorded late counts from the day it was
recorded, and not at all where a later event of its task was already known.
"""

import ibis
import ibis.expr.types as ir

from pipelines.features.prefixes import in_order, is_open, last_known, position_in
from pipelines.features.timing import day_number, microseconds


def open_task_changes(events: ir.Table) -> ir.Table:
    """Return the changes of the number of open tasks that `task_events` make.

    Returns:
        day (UTC day since 1970 from whose end on the change is known), activity, person_id,
        team_id (null where no event named one) and change (+1 or -1).
    """
    events = events.mutate(
        happened_us=microseconds(events.occurred_at),
        known_us=microseconds(ibis.greatest(events.occurred_at, events.recorded_at)),
    )
    events = events.mutate(
        position=position_in("workflow_id", "task_id"),
    )
    learned = ibis.window(
        group_by=["workflow_id", "task_id"], order_by=["known_us", "position"], rows=(None, -1)
    )
    events = events.mutate(known_position=events.position.max().over(learned).coalesce(0))
    events = events.filter(events.position > events.known_position)
    task = ["workflow_id", "task_id"]
    so_far = in_order(*task, rows=(None, 0))
    states = events.select(
        *task,
        "position",
        "activity",
        day=day_number(events.known_us),
        is_open=is_open(events.transition).cast("int64"),
        person_id=last_known(events.person_id, events.position, so_far),
        team_id=last_known(events.team_id, events.position, so_far),
    )
    step = in_order(*task)
    states = states.mutate(
        was_open=states.is_open.lag().over(step).coalesce(0),
        previous_activity=states.activity.lag().over(step),
        previous_person_id=states.person_id.lag().over(step),
        previous_team_id=states.team_id.lag().over(step),
    )
    begun = states.filter(states.is_open == 1).select(
        "day", "activity", "person_id", "team_id", change=ibis.literal(1, type="int64")
    )
    ended = states.filter(states.was_open == 1)
    ended = ended.select(
        "day",
        activity=ended.previous_activity,
        person_id=ended.previous_person_id,
        team_id=ended.previous_team_id,
        change=ibis.literal(-1, type="int64"),
    )
    return begun.union(ended)
