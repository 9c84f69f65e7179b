"""Cut the work into parts that fit into memory: whole workflows, and spans of days."""

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Final

import ibis
import ibis.expr.types as ir

from pipelines.features.day_close import daily_events
from pipelines.features.history import History
from pipelines.features.interval import restricted
from pipelines.features.scratch import Scratch
from pipelines.features.timing import EVERY_DAY, Span

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


def day_spans(
    history: History,
    facts: Mapping[str, ir.Table],
    scratch: Scratch,
    part_events: int = PART_EVENTS,
) -> Iterator[tuple[Span, dict[str, ir.Table]]]:
    """Yield spans of days, and the facts that count for rows of the span.

    A median over trailing days holds all its values in memory, so there are as many spans as
    it takes; a single one has no bounds.

    Args:
        history: whose events are counted by day, as `compute.ViewComputer` does.
        facts: see `compute.FACTS`.
        scratch: what to compute with.
        part_events: about half the events of a span.
    """
    daily = scratch.keep("daily_events", daily_events(history.task_events))
    facts = {**facts, "daily_events": daily}
    found = daily.agg(
        first=daily.known_day.min(), last=daily.known_day.max(), total=daily.event_count.sum()
    )
    ((first, last, total),) = (tuple(row.values()) for row in _rows(found, scratch))
    count = ceil((total or 0) / (2 * part_events))
    if count <= 1:
        yield EVERY_DAY, facts
        return
    length = ceil((last - first + 1) / count)
    for start in range(first, last + 1, length):
        known = {name: _known_before(table, start + length) for name, table in facts.items()}
        yield Span(start, start + length - 1), known


def _known_before(facts: ir.Table, day: int) -> ir.Table:
    return facts.filter(facts["known_day" if "known_day" in facts.columns else "day"] < day)


def _rows(table: ir.Table, scratch: Scratch) -> list[dict[str, int]]:
    rows: list[dict[str, int]] = scratch.connection.to_pyarrow(table).to_pylist()
    return rows
