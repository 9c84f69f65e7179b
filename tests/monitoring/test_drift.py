import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evidently.ui.workspace import Workspace

from pipelines.errors import MonitoringError
from pipelines.monitoring.drift import DriftResult, drift_report

AS_OF = datetime(2016, 5, 1, tzinfo=UTC)
Run = Callable[..., DriftResult]


def period(rows: int, *, seed: int, shift: float = 0.0, people: str = "ab") -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    actual = rng.exponential(1_000, rows)
    return pd.DataFrame(
        {
            "workflow_id": [f"W{seed}-{i}" for i in range(rows)],
            "elapsed_s": rng.normal(shift, 1, rows),
            "slack_s": np.where(rng.random(rows) < 0.5, np.nan, rng.normal(0, 1, rows)),
            "constant": 1,
            "empty": np.full(rows, np.nan),
            "none": pd.Series([None] * rows, dtype="object"),
            "is_open": rng.random(rows) < 0.5,
            "person_id": pd.Series(rng.choice([*people, None], rows), dtype="object"),
            "priority": pd.Categorical(rng.choice(["low", "high"], rows)),
            "remaining_time_s": actual,
            "predicted_s": actual + rng.normal(0, 50, rows),
        }
    )


NUMERIC = ["elapsed_s", "slack_s", "constant", "empty"]
CATEGORICAL = ["none", "is_open", "person_id", "priority"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def _run(reference: pd.DataFrame, current: pd.DataFrame, **changes: Any) -> DriftResult:
        options: dict[str, Any] = {
            "numeric": NUMERIC,
            "categorical": CATEGORICAL,
            "project": "Workcast remaining_time",
            "name": "May",
            "workspace": tmp_path / "evidently",
            "html": tmp_path / "reports",
            "retention": 20,
            "as_of": AS_OF,
            "target": "remaining_time_s",
            "prediction": "predicted_s",
        }
        return drift_report(reference, current, **(options | changes))

    return _run


def test_same_distribution_does_not_drift_whatever_the_columns_hold(run: Run) -> None:
    result = run(period(3_000, seed=3), period(2_000, seed=5))

    assert result.drifted_columns == ()
    assert result.drifted_share == 0
    assert not result.is_dataset_drift
    assert result.left_out_columns == (
        ("empty", "empty in both periods"),
        ("none", "empty in both periods"),
    )
    assert result.presence_only_columns == ()
    assert (result.reference_count, result.current_count) == (3_000, 2_000)


def test_moved_columns_are_named_and_counted(run: Run) -> None:
    later = period(2_000, seed=5, shift=3, people="cd")

    result = run(period(3_000, seed=3), later, drift_share=0.3)

    assert result.drifted_columns == ("elapsed_s", "person_id")
    assert result.drifted_share == 2 / 6
    assert result.is_dataset_drift
    assert not run(period(3_000, seed=3), later, drift_share=0.34).is_dataset_drift


def test_column_that_vanished_is_a_drifted_one(run: Run) -> None:
    later = period(2_000, seed=5).assign(slack_s=np.nan, person_id=None)

    result = run(period(3_000, seed=3), later)

    assert result.drifted_columns == ("slack_s", "person_id")
    assert result.presence_only_columns == ("slack_s", "person_id")


def test_errors_are_those_of_the_frames_and_of_the_page(run: Run, tmp_path: Path) -> None:
    before, after = period(900, seed=3), period(800, seed=5)
    after["predicted_s"] += 400

    result = run(before, after)

    expected = [(f["remaining_time_s"] - f["predicted_s"]).abs().mean() for f in (before, after)]
    assert [result.mae_reference, result.mae_current] == pytest.approx(expected)
    assert _shown_mae(tmp_path / "evidently", result) == pytest.approx(result.mae_current)


def _shown_mae(workspace: Path, result: DriftResult) -> float:
    path = workspace / result.project_id / "snapshots" / f"{result.report_id}.json"
    for metric in json.loads(path.read_text())["metric_results"].values():
        if metric.get("display_name") == "Mean Absolute Error":
            return float(metric["mean"]["value"])
    raise AssertionError(path)


def test_rows_whose_end_is_not_known_are_left_out(run: Run) -> None:
    before, after = period(400, seed=3), period(400, seed=5)
    after.loc[100:, "remaining_time_s"] = np.nan

    result = run(before, after)

    assert (result.current_count, result.current_sample_count) == (400, 100)


def test_without_target_only_the_inputs_are_compared(run: Run) -> None:
    result = run(period(400, seed=3), period(400, seed=5), target=None, prediction=None)

    assert (result.mae_reference, result.mae_current) == (None, None)


def test_sample_is_capped_and_stated(run: Run) -> None:
    result = run(period(500, seed=3), period(120, seed=5), max_rows=200)

    assert (result.reference_count, result.reference_sample_count) == (500, 200)
    assert (result.current_count, result.current_sample_count) == (120, 120)


def test_project_is_made_once_and_a_repeated_report_replaces_the_first(
    run: Run, tmp_path: Path
) -> None:
    before, after = period(200, seed=3), period(200, seed=5)

    first, again, other = run(before, after), run(before, after), run(before, after, name="June")

    space = Workspace.create(str(tmp_path / "evidently"))
    assert [p.name for p in space.list_projects()] == ["Workcast remaining_time"]
    assert {str(r) for r in space.list_runs(first.project_id)} == {again.report_id, other.report_id}
    assert set((tmp_path / "reports").iterdir()) == {again.html_path, other.html_path}


def test_only_the_newest_reports_are_kept(run: Run, tmp_path: Path) -> None:
    before, after = period(200, seed=3), period(200, seed=5)
    run(before, after, project="Another")

    results = [run(before, after, name=f"week {i}", retention=2) for i in range(4)]

    space = Workspace.create(str(tmp_path / "evidently"))
    newest = {results[2].report_id, results[3].report_id}
    assert {str(r) for r in space.list_runs(results[0].project_id)} == newest
    pages = {p.name for p in (tmp_path / "reports").iterdir()}
    assert len(pages) == 3
    assert {results[2].html_path.name, results[3].html_path.name} < pages


def test_page_stands_on_its_own(run: Run) -> None:
    result = run(period(300, seed=3), period(300, seed=5))

    page = result.html_path.read_text()
    assert "elapsed_s" in page
    assert 'src="http' not in page


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"current": period(0, seed=5)}, "The current period has no rows"),
        ({"reference": period(0, seed=3)}, "The reference period has no rows"),
        (
            {"current": period(9, seed=5).assign(remaining_time_s=np.nan)},
            "none of 9 rows has a known remaining_time_s",
        ),
        ({"numeric": ["nowhere"]}, "reference period lacks the columns nowhere"),
        ({"numeric": ["person_id"], "categorical": []}, "person_id is named as numeric"),
        ({"categorical": ["elapsed_s"]}, "numeric and as categorical: elapsed_s"),
        ({"numeric": ["empty"], "categorical": ["none"]}, "Nothing to compare"),
        ({"prediction": None}, "go together"),
    ],
)
def test_what_cannot_be_compared_is_said(run: Run, change: dict[str, Any], message: str) -> None:
    frames = {"reference": period(9, seed=3), "current": period(9, seed=5)}
    with pytest.raises(MonitoringError, match=message):
        run(**(frames | change))


def test_ids_are_left_out_with_the_reason(run: Run) -> None:
    result = run(period(400, seed=3), period(400, seed=5), categorical=["workflow_id", "priority"])

    assert ("workflow_id", "800 different values, more than 300") in result.left_out_columns


def test_inputs_stay_as_they_are(run: Run) -> None:
    before, after = period(50, seed=3), period(50, seed=5)
    before.loc[3, "elapsed_s"] = np.inf
    copies = before.copy(), after.copy()

    run(before, after)

    pd.testing.assert_frame_equal(before, copies[0])
    pd.testing.assert_frame_equal(after, copies[1])
