"""What every feature view must look like before it is served or learned from.

Made from the views' own description: keys and types there, and bounds that follow from a
column's unit (`_count`, `_s`, `_ratio`), so that a new feature is guarded the day it is added.
"""

import great_expectations as gx
import great_expectations.expectations as gxe

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP
from pipelines.features.views import VIEWS, FeatureColumn, ViewSpec


def suite(view: ViewSpec) -> gx.ExpectationSuite:
    """Return the suite of one view."""
    return gx.ExpectationSuite(
        name=f"features_{view.name}",
        expectations=[
            gxe.ExpectTableColumnsToMatchSet(
                column_set=view.schema.names, exact_match=True, severity="critical"
            ),
            *(
                gxe.ExpectColumnValuesToNotBeNull(column=name, severity="critical")
                for name in _required(view)
            ),
            # Two rows that only their order in a file tells apart would make a join arbitrary.
            gxe.ExpectCompoundColumnsToBeUnique(column_list=list(view.key), severity="critical"),
            # Known before it was true would be a look into the future.
            gxe.ExpectColumnPairValuesAToBeGreaterThanB(
                column_A=CREATED_TIMESTAMP,
                column_B=EVENT_TIMESTAMP,
                or_equal=True,
                severity="critical",
            ),
            *(bound for column in view.columns for bound in _bounds(column)),
        ],
    )


def suites() -> dict[str, gx.ExpectationSuite]:
    """Return the suite of every view by its name."""
    return {name: suite(spec) for name, spec in VIEWS.items()}


def _required(view: ViewSpec) -> list[str]:
    features = [column.name for column in view.columns if not column.nullable]
    return [*view.entity_columns, EVENT_TIMESTAMP, CREATED_TIMESTAMP, *features]


def _bounds(column: FeatureColumn) -> list[gxe.Expectation]:
    """Return what a column's unit says about its values; nulls are judged elsewhere."""
    unit = column.name.removesuffix("_7d").removesuffix("_30d")
    if unit.endswith("on_time_ratio"):
        return [_between(column.name, 0, 1)]
    if unit.endswith(("_count", "_s", "_s_median", "_s_mean", "_ratio")):
        return [_between(column.name, 0, None)]
    if unit.endswith("_attributes"):
        return [
            gxe.ExpectColumnValuesToMatchRegex(
                column=column.name, regex=r"(?s)^\{.*\}$", severity="critical"
            )
        ]
    return []


def _between(column: str, low: float, high: float | None) -> gxe.Expectation:
    return gxe.ExpectColumnValuesToBeBetween(
        column=column, min_value=low, max_value=high, severity="critical"
    )
