"""What every feature view must look like before it is served or learned from.

Made from the views' own description: keys and types there, and bounds that follow from a
column's unit (`_count`, `_s`, `_ratio`), so that a new feature is guarded the day it is added.
What an organisation has learned from its own rows and reviewed comes on top.
"""

from pathlib import Path

import great_expectations as gx
import great_expectations.expectations as gxe

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP
from pipelines.errors import ValidationFailedError
from pipelines.features.views import VIEWS, FeatureColumn, ViewSpec
from pipelines.validate.learned import Kind, LearnedExpectation, LearnedView, read_learned

# The range holds 998 of 1,000 rows of the reference period before any tolerance.
_MOSTLY_IN_RANGE = 0.99


def suite(view: ViewSpec, learned: LearnedView | None = None) -> gx.ExpectationSuite:
    """Return the suite of one view, with what was learned about it."""
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
            *([] if learned is None else _learned(view, learned)),
        ],
    )


def suites(folder: Path | None = None) -> dict[str, gx.ExpectationSuite]:
    """Return the suite of every view by its name.

    Args:
        folder: of learned expectations, one file a view; a view without one has none.

    Raises:
        ValidationFailedError: a file cannot be read, or names a column that the view has not.
    """
    return {
        name: suite(spec, None if folder is None else read_learned(folder, name.value))
        for name, spec in VIEWS.items()
    }


def _learned(view: ViewSpec, learned: LearnedView) -> list[gxe.Expectation]:
    names = {column.name for column in view.columns}
    gone = [one.column for one in learned.expectations if one.column not in names]
    if gone:
        raise ValidationFailedError(
            f"The learned expectations of {view.name} are about {', '.join(gone)}, which the view "
            "does not have: delete them from their file."
        )
    return [_expectation(one, learned.severity(one).value) for one in learned.expectations]


def _expectation(one: LearnedExpectation, severity: str) -> gxe.Expectation:
    notes = f"learned: observed {list(one.observed)}, tolerance {one.tolerance}. {one.note}".strip()
    about = {"column": one.column, "severity": severity, "notes": notes}
    match one.kind:
        case Kind.RANGE:
            low, high = one.bounds
            return gxe.ExpectColumnValuesToBeBetween(
                **about, min_value=low, max_value=high, mostly=_MOSTLY_IN_RANGE
            )
        case Kind.MEDIAN:
            low, high = one.bounds
            return gxe.ExpectColumnMedianToBeBetween(**about, min_value=low, max_value=high)
        case Kind.NULL_SHARE:
            return gxe.ExpectColumnValuesToNotBeNull(**about, mostly=one.mostly)
        case Kind.CATEGORIES:
            return gxe.ExpectColumnValuesToBeInSet(
                **about, value_set=list(one.observed), mostly=one.mostly
            )


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
    if unit.endswith(("_attributes", "_counts")):
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
