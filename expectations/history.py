"""What every history table must look like before features are made of it.

Critical expectations are about what the platform itself guarantees (keys, vocabulary,
order); warnings are about what an application may get wrong in a single row.
"""

import great_expectations as gx
import great_expectations.expectations as gxe

from pipelines.contracts import HistoryTable, Transition

# Process histories start with the systems that record them.
_EARLIEST = "1971-01-01"


def task_events() -> gx.ExpectationSuite:
    """Return the suite of `task_events`: append-only truth, one row an event."""
    return gx.ExpectationSuite(
        name=f"history_{HistoryTable.TASK_EVENTS}",
        expectations=[
            *_not_null("event_id", "workflow_id", "task_id", "activity", "transition"),
            *_not_null("occurred_at", "recorded_at", "sequence"),
            gxe.ExpectColumnValuesToBeUnique(column="event_id", severity="critical"),
            gxe.ExpectColumnValuesToBeInSet(
                column="transition", value_set=[t.value for t in Transition], severity="critical"
            ),
            _plausible("occurred_at"),
            _in_order("recorded_at", "occurred_at"),
            _json_object("attributes"),
            _filled("activity"),
        ],
    )


def workflows() -> gx.ExpectationSuite:
    """Return the suite of `workflows`: what was known when each was opened."""
    return gx.ExpectationSuite(
        name=f"history_{HistoryTable.WORKFLOWS}",
        expectations=[
            *_not_null("workflow_id", "opened_at", "recorded_at"),
            gxe.ExpectColumnValuesToBeUnique(column="workflow_id", severity="critical"),
            _plausible("opened_at"),
            _in_order("due_at", "opened_at"),
            _json_object("attributes"),
        ],
    )


def workflow_closures() -> gx.ExpectationSuite:
    """Return the suite of `workflow_closures`: what became known when each was closed."""
    return gx.ExpectationSuite(
        name=f"history_{HistoryTable.WORKFLOW_CLOSURES}",
        expectations=[
            *_not_null("workflow_id", "closed_at", "recorded_at"),
            gxe.ExpectColumnValuesToBeUnique(column="workflow_id", severity="critical"),
            _plausible("closed_at"),
            _in_order("recorded_at", "closed_at"),
        ],
    )


def suites() -> dict[str, gx.ExpectationSuite]:
    """Return every history suite by its table."""
    return {
        HistoryTable.TASK_EVENTS: task_events(),
        HistoryTable.WORKFLOWS: workflows(),
        HistoryTable.WORKFLOW_CLOSURES: workflow_closures(),
    }


def _not_null(*columns: str) -> list[gxe.Expectation]:
    return [gxe.ExpectColumnValuesToNotBeNull(column=c, severity="critical") for c in columns]


def _plausible(column: str) -> gxe.Expectation:
    return gxe.ExpectColumnValuesToBeBetween(
        column=column, min_value=f"{_EARLIEST}T00:00:00+00:00", severity="warning"
    )


def _in_order(later: str, earlier: str) -> gxe.Expectation:
    return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A=later,
        column_B=earlier,
        or_equal=True,
        ignore_row_if="either_value_is_missing",
        severity="warning",
    )


def _json_object(column: str) -> gxe.Expectation:
    return gxe.ExpectColumnValuesToMatchRegex(
        column=column, regex=r"(?s)^\{.*\}$", severity="warning"
    )


def _filled(column: str) -> gxe.Expectation:
    return gxe.ExpectColumnValuesToMatchRegex(column=column, regex=r"\S", severity="warning")
