"""Cut a history into parts of whole workflows, so that each part fits into memory."""

from collections.abc import Iterator
from typing import Final

import ibis

from pipelines.features.history import History
from pipelines.features.interval import restricted
from pipelines.features.scratch import Scratch

# Windows over so many events take some hundred megabytes.
PART_EVENTS: Final = 1_500_000


def parts(history: History, scratch: Scratch, part_events: int = PART_EVENTS) -> Iterator[History]:
    """Yield histories of about `part_events` events, workflows in the order they were first seen.

    Workflows of the same time are in the same part, so that a part reads little of the lake.
    """
    events = history.task_events
    total = scratch.connection.to_pyarrow(events.count()).as_py()
    if total <= part_events:
        yield history
        return
    workflows = events.group_by("workflow_id").agg(
        first_at=events.recorded_at.min(),
        last_at=events.recorded_at.max(),
        event_count=events.count(),
    )
    in_time = ibis.window(order_by=["first_at", "workflow_id"], rows=(None, 0))
    so_far = workflows.event_count.sum().over(in_time)
    numbered = scratch.keep("parts", workflows.mutate(part=(so_far - 1) // part_events))
    spans = numbered.group_by("part").agg(
        first_at=numbered.first_at.min(), last_at=numbered.last_at.max()
    )
    for span in scratch.connection.to_pyarrow(spans.order_by("part")).to_pylist():
        near = events.filter(
            events.recorded_at >= span["first_at"], events.recorded_at <= span["last_at"]
        )
        chosen = numbered.filter(numbered.part == span["part"]).select("workflow_id")
        yield restricted(History(near, history.workflows, history.workflow_closures), chosen)
