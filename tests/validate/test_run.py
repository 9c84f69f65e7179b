"""A suite's failures name expectation, column, count and examples, and lead where they should."""

from pathlib import Path

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
import pytest

from pipelines.errors import ValidationFailedError
from pipelines.validate.docs import build_docs
from pipelines.validate.report import Severity
from pipelines.validate.run import require, run_suite


def suite(*expectations: gxe.Expectation) -> gx.ExpectationSuite:
    return gx.ExpectationSuite(name="example", expectations=list(expectations))


def in_set(severity: str) -> gxe.Expectation:
    return gxe.ExpectColumnValuesToBeInSet(
        column="transition", value_set=["started", "completed"], severity=severity
    )


FRAME = pd.DataFrame({"transition": ["started", "bogus", "completed", "lost"]}, index=[9, 8, 7, 6])


def test_critical_failure_names_expectation_column_count_and_examples(tmp_path: Path) -> None:
    report = run_suite(FRAME, suite(in_set("critical")), tmp_path)
    with pytest.raises(ValidationFailedError) as caught:
        require(report)
    message = str(caught.value)
    for part in ("expect_column_values_to_be_in_set", "transition", "2 unexpected", "bogus, lost"):
        assert part in message
    assert report.quarantined == ()


def test_warning_quarantines_its_rows_by_position_and_stops_nothing(tmp_path: Path) -> None:
    report = require(run_suite(FRAME, suite(in_set("warning")), tmp_path))
    assert report.quarantined == (1, 3)
    assert report.failures[0].severity is Severity.WARNING
    assert report.summary() == "example: 0 of 1 expectations hold on 4 rows, 2 rows quarantined"


def test_info_is_reported_only(tmp_path: Path) -> None:
    report = require(run_suite(FRAME, suite(in_set("info")), tmp_path))
    assert (len(report.failures), report.quarantined) == (1, ())


def test_missing_column_is_an_error_even_of_a_warning(tmp_path: Path) -> None:
    with pytest.raises(
        ValidationFailedError, match=r'on transition could not be evaluated.*"trans'
    ):
        run_suite(FRAME.rename(columns={"transition": "step"}), suite(in_set("warning")), tmp_path)


def test_column_pairs_are_named_and_the_frame_is_left_alone(tmp_path: Path) -> None:
    frame = pd.DataFrame({"due": [1.0, 5.0, None], "opened": [2.0, 3.0, 4.0]})
    before = frame.copy()
    pair = gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A="due",
        column_B="opened",
        ignore_row_if="either_value_is_missing",
        severity="warning",
    )
    report = run_suite(frame, suite(pair), tmp_path)
    assert report.quarantined == (0,)
    assert report.failures[0].column == "due, opened"
    pd.testing.assert_frame_equal(frame, before)


def test_empty_batch_holds(tmp_path: Path) -> None:
    report = run_suite(FRAME.head(0), suite(in_set("critical")), tmp_path)
    assert (report.row_count, report.failures) == (0, ())


def test_docs_show_every_suite_and_keep_the_latest_runs(tmp_path: Path) -> None:
    for _ in range(3):
        run_suite(FRAME, suite(in_set("critical")), tmp_path)
    page = build_docs(tmp_path, keep=2)
    assert "example" in page.read_text()
    assert len(list(page.parent.glob("validations/example/*/*/*.html"))) == 2
    build_docs(tmp_path, keep=1)
    assert len(list(page.parent.glob("validations/example/*/*/*.html"))) == 1
