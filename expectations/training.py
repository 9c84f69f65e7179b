"""What a training set must look like before a model learns from it."""

import great_expectations as gx
import great_expectations.expectations as gxe

from pipelines.contracts import Model

# Below this a split by time leaves too little on either side to judge anything.
_FEWEST_ROWS = 200

_LABELS = {Model.REMAINING_TIME: "remaining_time_s", Model.DELAY_RISK: "is_late"}


def suite(model: str) -> gx.ExpectationSuite:
    """Return the suite of the training set of `model`."""
    label = _LABELS[Model(model)]
    return gx.ExpectationSuite(
        name=f"training_{model}",
        expectations=[
            gxe.ExpectTableRowCountToBeBetween(min_value=_FEWEST_ROWS, severity="critical"),
            *(
                gxe.ExpectColumnValuesToNotBeNull(column=name, severity="critical")
                for name in ("workflow_id", "as_of", "part", label)
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="part", value_set=["train", "test"], severity="critical"
            ),
            # Both sides must be there: a model that was never judged is not registered.
            gxe.ExpectColumnDistinctValuesToContainSet(
                column="part", value_set=["train", "test"], severity="critical"
            ),
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
        ],
    )
