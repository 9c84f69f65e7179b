"""Training sets and the prediction log: what would make them worthless is caught."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from expectations import predictions, training
from pipelines.contracts import Model
from pipelines.validate.run import run_suite

NOW = datetime(2024, 5, 6, 9, tzinfo=UTC)


def training_rows() -> pd.DataFrame:
    count = 400
    return pd.DataFrame(
        {
            "workflow_id": [f"w{n}" for n in range(count)],
            "as_of": NOW,
            "part": ["train"] * (count // 2) + ["test"] * (count // 2),
            "remaining_time_s": 60.0,
            "is_late": [True, False] * (count // 2),
            "time_since_last_event_s": 0.0,
            "workflow_progress__event_count": 1.0,
            "task_id": [f"t{n}" for n in range(count)],
            "span": "sojourn_time_s",
            "duration_s": 60.0,
            "ended_at": NOW + timedelta(minutes=1),
            "activity": "Check",
            "person_id": "P1",
            "lead_time_s": 60.0,
        }
    )


@pytest.mark.parametrize("model", Model)
def test_a_sound_training_set_passes(model: Model, tmp_path: Path) -> None:
    assert run_suite(training_rows(), training.suite(model), tmp_path).failures == ()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("remaining_time_s", 0.0),  # at or after the end: the answer would be among the features
        ("time_since_last_event_s", -1.0),  # a feature from after the moment of prediction
        ("part", "validation"),
        ("workflow_id", None),
        ("workflow_progress__event_count", None),
    ],
)
def test_a_fault_of_a_training_set_stops(column: str, value: object, tmp_path: Path) -> None:
    rows = training_rows()
    rows.loc[:2, column] = value
    report = run_suite(rows, training.suite(Model.REMAINING_TIME), tmp_path)
    assert [column == failure.column for failure in report.critical] == [True]


@pytest.mark.parametrize(
    ("model", "column", "value"),
    [
        (Model.TASK_DURATION, "duration_s", 0.0),  # known when it was asked
        (Model.TASK_DURATION, "span", "idle_time_s"),
        (Model.ASSIGNEE, "person_id", None),
        (Model.TEMPLATE, "workflow_id", "w1"),
        (Model.NEXT_ACTIVITY, "activity", None),
    ],
)
def test_each_model_has_faults_of_its_own(
    model: Model, column: str, value: object, tmp_path: Path
) -> None:
    rows = training_rows()
    rows.loc[:2, column] = value
    report = run_suite(rows, training.suite(model), tmp_path)
    assert [failure.column for failure in report.critical] == [column]


def test_a_training_set_without_a_later_period_stops(tmp_path: Path) -> None:
    report = run_suite(
        training_rows().assign(part="train"), training.suite(Model.DELAY_RISK), tmp_path
    )
    assert [failure.column for failure in report.critical] == ["part"]


LOGGED = {
    "prediction_id": ["1", "2"],
    "model_name": Model.REMAINING_TIME.value,
    "model_version": "1",
    "as_of": NOW,
    "features_known_at": NOW,
    "latency_ms": 2.0,
    "output": "{}",
}


@pytest.mark.parametrize(
    ("column", "value", "is_caught"),
    [
        ("latency_ms", 2.0, False),
        ("features_known_at", NOW + timedelta(seconds=1), True),
        ("prediction_id", ["1", "1"], True),
        ("model_name", "oracle", True),
        ("model_version", None, True),
        ("output", None, True),
    ],
)
def test_the_prediction_log(column: str, value: object, is_caught: bool, tmp_path: Path) -> None:
    report = run_suite(pd.DataFrame({**LOGGED, column: value}), predictions.suite(), tmp_path)
    assert bool(report.critical) is is_caught


def test_an_empty_prediction_log_is_sound(tmp_path: Path) -> None:
    assert not run_suite(pd.DataFrame(LOGGED).head(0), predictions.suite(), tmp_path).critical
