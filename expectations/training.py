"""What a training set must look like before a model learns from it."""

import great_expectations as gx
import great_expectations.expectations as gxe

from pipelines.contracts import WORKFLOW_MODELS, Model

# Below this a split by time leaves too little on either side to judge anything.
_FEWEST_ROWS = 200

# What must be known of every row, beside its workflow and moment.
_KNOWN = {
    Model.REMAINING_TIME: ("part", "remaining_time_s"),
    Model.DELAY_RISK: ("part", "is_late"),
    Model.TASK_DURATION: ("part", "task_id", "span", "duration_s", "ended_at"),
    # Work that was given in workflows on neither side is known, too, without being a question.
    Model.ASSIGNEE: ("activity", "person_id"),
    Model.TEMPLATE: ("part", "lead_time_s", "is_late"),
    Model.NEXT_ACTIVITY: ("part", "activity"),
}


def suite(model: str) -> gx.ExpectationSuite:
    """Return the suite of the training set of `model`."""
    name = Model(model)
    return gx.ExpectationSuite(
        name=f"training_{model}",
        expectations=[
            gxe.ExpectTableRowCountToBeBetween(min_value=_FEWEST_ROWS, severity="critical"),
            *(
                gxe.ExpectColumnValuesToNotBeNull(column=column, severity="critical")
                for column in ("workflow_id", "as_of", *_KNOWN[name])
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="part", value_set=["train", "test"], severity="critical"
            ),
            # Both sides must be there: a model that was never judged is not registered.
            gxe.ExpectColumnDistinctValuesToContainSet(
                column="part", value_set=["train", "test"], severity="critical"
            ),
            *(_OWN[name]() if name in _OWN else ()),
        ],
    )


def _of_workflows() -> tuple[gxe.Expectation, ...]:
    return (
        # A moment after the workflow's end would have the answer among its features.
        gxe.ExpectColumnValuesToBeBetween(
            column="remaining_time_s", min_value=0, strict_min=True, severity="critical"
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="time_since_last_event_s", min_value=0, severity="critical"
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="is_late", value_set=[True, False], severity="critical"
        ),
        # A view that matched almost nowhere points to a broken join, not to bad luck.
        gxe.ExpectColumnValuesToNotBeNull(
            column="workflow_progress__event_count", mostly=0.999, severity="critical"
        ),
    )


def _of_tasks() -> tuple[gxe.Expectation, ...]:
    return (
        # What ends as it begins was known at the moment of asking.
        gxe.ExpectColumnValuesToBeBetween(
            column="duration_s", min_value=0, strict_min=True, severity="critical"
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="span",
            value_set=["waiting_time_s", "service_time_s", "sojourn_time_s"],
            severity="critical",
        ),
        # The first task of a workflow may begin with it; of the others something was known.
        gxe.ExpectColumnValuesToNotBeNull(
            column="workflow_progress__event_count", mostly=0.5, severity="critical"
        ),
    )


def _of_templates() -> tuple[gxe.Expectation, ...]:
    return (
        gxe.ExpectColumnValuesToBeBetween(column="lead_time_s", min_value=0, severity="critical"),
        gxe.ExpectColumnValuesToBeUnique(column="workflow_id", severity="critical"),
    )


_OWN = {
    **dict.fromkeys(WORKFLOW_MODELS, _of_workflows),
    Model.TASK_DURATION: _of_tasks,
    Model.TEMPLATE: _of_templates,
}
