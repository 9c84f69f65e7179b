"""What the prediction log must look like before anything is concluded from it."""

import great_expectations as gx
import great_expectations.expectations as gxe

from pipelines.contracts import Model


def suite() -> gx.ExpectationSuite:
    """Return the suite of the prediction log: one row an answer."""
    return gx.ExpectationSuite(
        name="prediction_log",
        expectations=[
            *(
                gxe.ExpectColumnValuesToNotBeNull(column=name, severity="critical")
                for name in ("prediction_id", "model_name", "model_version", "as_of", "output")
            ),
            gxe.ExpectColumnValuesToBeUnique(column="prediction_id", severity="critical"),
            gxe.ExpectColumnValuesToBeInSet(
                column="model_name", value_set=[m.value for m in Model], severity="critical"
            ),
            gxe.ExpectColumnValuesToBeBetween(column="latency_ms", min_value=0, severity="warning"),
            # Features from after the moment of prediction would be a look into the future.
            gxe.ExpectColumnPairValuesAToBeGreaterThanB(
                column_A="as_of",
                column_B="features_known_at",
                or_equal=True,
                ignore_row_if="either_value_is_missing",
                severity="critical",
            ),
        ],
    )
