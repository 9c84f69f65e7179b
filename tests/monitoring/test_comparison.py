from math import isnan, sqrt
from typing import Any

import pandas as pd
import pytest

from pipelines.contracts import Model
from pipelines.monitoring.comparison import VersionRecord, compare_versions

HOUR_S = 3_600.0
MOMENT = pd.Timestamp("2024-01-01", tz="UTC")


def answer(
    variant: str | None,
    version: str,
    workflow_id: str,
    error_hours: float | None,
    *,
    propensity: float | None = 0.5,
    day: int = 0,
) -> dict[str, Any]:
    actual = float("nan") if error_hours is None else HOUR_S
    return {
        "variant": variant,
        "model_version": version,
        "workflow_id": workflow_id,
        "as_of": MOMENT + pd.Timedelta(days=day),
        "propensity": propensity,
        "predicted": HOUR_S + (error_hours or 0) * HOUR_S,
        "actual": actual,
    }


def compared(*rows: dict[str, Any]) -> dict[tuple[str, str], VersionRecord]:
    records = compare_versions(pd.DataFrame(rows), Model.REMAINING_TIME)
    return {(r.variant, r.model_version): r for r in records}


def test_each_workflow_counts_once_and_open_ones_not_at_all() -> None:
    records = compared(
        answer("champion", "1", "a", 1),
        answer("champion", "1", "a", 3, day=1),
        answer("champion", "1", "b", -8),
        answer("champion", "1", "open", None),
        answer(None, "0", "a", 5, propensity=None),  # before there were variants
    )

    assert records["champion", "1"].loss == pytest.approx((2 + 8) / 2)
    assert records["champion", "1"].answer_count == 4
    assert records["champion", "1"].known_workflow_count == 2
    assert isnan(records["champion", "1"].difference)
    assert records["champion", "0"].loss == pytest.approx(5)


def test_challenger_is_held_against_what_was_drawn_against_it() -> None:
    records = compared(
        answer("champion", "1", "a", 4),
        answer("champion", "1", "b", 6),
        answer("champion", "1", "before", 100, propensity=1.0),
        answer("champion", "1", "stood in", 100, propensity=None),
        answer("challenger", "2", "c", 1),
        answer("challenger", "2", "d", 3),
    )

    challenger = records["challenger", "2"]
    assert challenger.loss == pytest.approx(2)
    assert challenger.difference == pytest.approx(2 - 5)
    assert challenger.difference_error == pytest.approx(sqrt(2 / 2 + 2 / 2))


def test_shadow_is_held_against_the_same_questions() -> None:
    records = compared(
        answer("champion", "1", "a", 4, propensity=1.0),
        answer("champion", "1", "b", 6, propensity=1.0),
        answer("champion", "1", "c", 50, propensity=1.0),
        answer("shadow", "2", "a", 3, propensity=0.0),
        answer("shadow", "2", "b", 3, propensity=0.0),
        answer("shadow", "2", "b", 90, propensity=0.0, day=1),  # the champion was not asked
    )

    shadow = records["shadow", "2"]
    assert shadow.difference == pytest.approx((-1 - 3) / 2)
    assert shadow.difference_error == pytest.approx(sqrt(2) / sqrt(2))


def test_lateness_is_judged_by_the_brier_score() -> None:
    rows = pd.DataFrame(
        {
            "variant": ["champion"] * 2,
            "model_version": ["1"] * 2,
            "workflow_id": ["a", "b"],
            "as_of": [MOMENT] * 2,
            "propensity": [1.0] * 2,
            "predicted": [0.2, 0.9],
            "actual": [0.0, 1.0],
        }
    )
    (record,) = compare_versions(rows, Model.DELAY_RISK)
    assert record.loss == pytest.approx((0.04 + 0.01) / 2)


def test_no_answers_no_records() -> None:
    nothing = pd.DataFrame([answer("champion", "1", "a", 1)]).iloc[:0]
    assert compare_versions(nothing, Model.DELAY_RISK) == []
