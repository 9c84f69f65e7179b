"""Whether a workflow is closed: a row at its opening and one at its closing.

For answering requests about closed workflows, never a model's input.
"""

import ibis
import ibis.expr.types as ir

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP


def workflow_status(workflows: ir.Table, closures: ir.Table) -> ir.Table:
    """Compute the view `workflow_status`.

    A closing recorded before the opening gets a second row once the opening is known. An
    opening gets no row where the closing at the same moment was known by then.

    Args:
        workflows: the history's.
        closures: the history's `workflow_closures`.
    """
    openings = workflows.select("workflow_id", "opened_at", opening_recorded_at="recorded_at")
    closings = closures.select("workflow_id", "closed_at", closing_recorded_at="recorded_at")
    both = openings.inner_join(closings, "workflow_id")
    hidden = both.filter(
        both.closed_at == both.opened_at, both.closing_recorded_at <= both.opening_recorded_at
    )
    opened = openings.anti_join(hidden, "workflow_id")
    opened = opened.select(
        "workflow_id",
        is_closed=ibis.literal(False),  # noqa: FBT003 - the value itself
        opened_at=opened.opened_at,
        closed_at=ibis.null(closings.closed_at.type()),
        **{EVENT_TIMESTAMP: opened.opened_at, CREATED_TIMESTAMP: opened.opening_recorded_at},
    )
    closed = closings.left_join(openings, "workflow_id").drop("workflow_id_right")
    is_known = closed.opening_recorded_at <= closed.closing_recorded_at
    closed = closed.select(
        "workflow_id",
        is_closed=ibis.literal(True),  # noqa: FBT003 - the value itself
        opened_at=is_known.ifelse(closed.opened_at, ibis.null(closed.opened_at.type())),
        closed_at=closed.closed_at,
        **{EVENT_TIMESTAMP: closed.closed_at, CREATED_TIMESTAMP: closed.closing_recorded_at},
    )
    corrected = both.filter(both.opening_recorded_at > both.closing_recorded_at)
    corrected = corrected.select(
        "workflow_id",
        is_closed=ibis.literal(True),  # noqa: FBT003 - the value itself
        opened_at=corrected.opened_at,
        closed_at=corrected.closed_at,
        **{EVENT_TIMESTAMP: corrected.closed_at, CREATED_TIMESTAMP: corrected.opening_recorded_at},
    )
    return ibis.union(opened, closed, corrected)
