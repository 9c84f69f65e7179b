import numpy as np
import pandas as pd
import pytest

from pipelines.contracts import Model
from pipelines.learning.baselines import baseline_predictions
from pipelines.learning.metrics import (
    by_segment,
    calibration_error,
    measure,
    progress_bin,
    reliability,
)


def test_durations_are_measured_in_hours() -> None:
    truth = pd.DataFrame({"remaining_time_s": [3600.0, 7200.0, 36000.0]})
    predicted = pd.DataFrame(
        {
            "remaining_time_s": [7200.0, 7200.0, 18000.0],
            "remaining_time_s_p10": [0.0, 3600.0, 3600.0],
            "remaining_time_s_p90": [10800.0, 10800.0, 32400.0],
        }
    )
    metrics = measure(Model.REMAINING_TIME, truth, predicted)
    assert metrics == pytest.approx(
        {
            "mae_hours": 2.0,  # 1, 0, 5
            "median_absolute_error_hours": 1.0,
            "bias_hours": -4 / 3,
            "pinball_p50_hours": 1.0,
            "pinball_p10_hours": (0.1 * 1 + 0.1 * 1 + 0.1 * 9) / 3,
            "pinball_p90_hours": (0.1 * 2 + 0.1 * 1 + 0.9 * 1) / 3,
            "coverage_p10_p90_ratio": 2 / 3,
            "width_p10_p90_hours": (3 + 2 + 8) / 3,
        }
    )


def test_a_row_of_weight_three_counts_three_times() -> None:
    rng = np.random.default_rng(0)
    actual, said = rng.exponential(9e3, 200), rng.exponential(9e3, 200)
    truth = pd.DataFrame({"remaining_time_s": actual, "is_late": actual > 9e3})
    predicted = pd.DataFrame(
        {
            "remaining_time_s": said,
            "remaining_time_s_p10": said / 2,
            "remaining_time_s_p90": said * 2,
            "late_probability": np.clip(said / 2e4, 0, 1),
        }
    )
    weight = rng.integers(1, 4, 200)
    weight[0] += 1 - weight.sum() % 2  # the middle of an odd count is one of them
    often = np.repeat(np.arange(200), weight)
    for model in (Model.REMAINING_TIME, Model.DELAY_RISK):
        columns = predicted.columns.str.startswith("late") == (model is Model.DELAY_RISK)
        answer = predicted.loc[:, columns]
        weighted = measure(model, truth.assign(censoring_weight=weight), answer)
        repeated = measure(
            model, *(one.iloc[often].reset_index(drop=True) for one in (truth, answer))
        )
        assert weighted == pytest.approx(repeated, rel=1e-3)
        assert weighted != pytest.approx(measure(model, truth, answer), rel=1e-3)


def test_risk_of_one_class_has_no_auc() -> None:
    truth = pd.DataFrame({"is_late": pd.array([False, False], dtype="boolean")})
    predicted = pd.DataFrame({"late_probability": [0.0, 0.5]})
    metrics = measure(Model.DELAY_RISK, truth, predicted)
    assert metrics["auc"] is None
    assert metrics["average_precision"] is None
    assert metrics["brier"] == pytest.approx(0.125)
    assert metrics["log_loss"] == pytest.approx(np.log(2) / 2, abs=1e-5)


def test_risk_of_both_classes() -> None:
    truth = pd.DataFrame({"is_late": [False, True, False, True]})
    predicted = pd.DataFrame({"late_probability": [0.1, 0.4, 0.5, 0.9]})
    metrics = measure(Model.DELAY_RISK, truth, predicted)
    assert metrics["auc"] == pytest.approx(0.75)
    assert metrics["brier"] == pytest.approx((0.01 + 0.36 + 0.25 + 0.01) / 4)
    assert metrics["late_ratio"] == 0.5


def test_reliability_and_the_distance_from_it() -> None:
    late = np.array([False, True, False, True, True, True])
    probability = np.array([0.0, 0.04, 0.5, 0.5, 0.58, 1.0])
    table = reliability(late, probability)
    assert table.index.to_list() == [0, 5, 9]
    assert table["row_count"].to_list() == [2, 3, 1]
    assert table["mean_probability"].to_list() == pytest.approx([0.02, 1.58 / 3, 1.0])
    assert table["late_ratio"].to_list() == pytest.approx([0.5, 2 / 3, 1.0])
    expected = (2 * 0.48 + 3 * (2 - 1.58) / 3) / 6
    assert calibration_error(late, probability) == pytest.approx(expected)


def test_small_segments_are_left_out() -> None:
    truth = pd.DataFrame({"remaining_time_s": [3600.0] * 30 + [0.0] * 29})
    predicted = pd.DataFrame({"remaining_time_s": [0.0] * 59})
    table = by_segment(Model.REMAINING_TIME, truth, predicted, pd.Series(["a"] * 30 + ["b"] * 29))
    assert table[["segment", "row_count", "mae_hours"]].to_dict("records") == [
        {"segment": "a", "row_count": 30, "mae_hours": 1.0}
    ]


def test_progress_is_the_share_of_the_lead_time_passed() -> None:
    truth = pd.DataFrame(
        {"remaining_time_s": [100.0, 50.0, 1.0, 5.0], "lead_time_s": [100.0, 100.0, 100.0, 0.0]}
    )
    assert progress_bin(truth).tolist() == [0, 5, 9, pd.NA]


def test_baselines_answer_from_training_rows_alone() -> None:
    train = pd.DataFrame(
        {
            "v__last_activity": ["a"] * 10 + ["b"] * 10 + ["c"],
            "v__event_count": [1] * 21,
            "v__template_id": "t",
            "remaining_time_s": [10.0] * 10 + [30.0] * 10 + [999.0],
            "is_late": pd.array([True] * 10 + [False] * 11, dtype="boolean"),
        }
    )
    test = pd.DataFrame(
        {
            "v__last_activity": ["b", "a", "c", "new"],
            "v__event_count": [1, 2, 1, 1],
            "v__template_id": "t",
        }
    )
    duration = baseline_predictions(Model.REMAINING_TIME, train, test)
    answers = {name: frame["remaining_time_s"].tolist() for name, frame in duration.items()}
    assert answers == {
        "median": [30.0] * 4,
        "by_last_activity": [30.0, 10.0, 30.0, 30.0],  # c has one row: too few
        "by_last_activity_and_count": [30.0, 30.0, 30.0, 30.0],
    }
    risk = baseline_predictions(Model.DELAY_RISK, train, test)
    assert risk["median"]["late_probability"].tolist() == pytest.approx([10 / 21] * 4)
    assert risk["by_last_activity"]["late_probability"].tolist() == pytest.approx(
        [0.0, 1.0, 10 / 21, 10 / 21]
    )
