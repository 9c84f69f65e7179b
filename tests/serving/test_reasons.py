from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from serving.reasons import reasons


def texts(contributions: dict[str, float], values: dict[str, Any], limit: int = 5) -> list[str]:
    return [reason.text for reason in reasons(contributions, values, limit)]


def test_strongest_first_ties_by_name_weak_ones_left_out() -> None:
    chosen = reasons({"b": 1.0, "a": -1.0, "c": 3.0, "noise": 0.01}, {"a": 1, "b": 2, "c": 3})

    assert [(r.feature, r.contribution, r.effect) for r in chosen] == [
        ("c", 3.0, "raises"),
        ("a", -1.0, "lowers"),
        ("b", 1.0, "raises"),
    ]


def test_no_more_than_asked_and_nothing_from_nothing() -> None:
    assert len(reasons(dict.fromkeys("abcdefg", 1.0), {}, limit=2)) == 2
    assert reasons({"a": 0.0}, {"a": 1}) == []
    assert reasons({}, {}) == []


@pytest.mark.parametrize(
    ("feature", "value", "told"),
    [
        (
            "workflow_progress__rework_count",
            np.int64(3),
            "Events so far whose activity had already been completed: 3",
        ),
        (
            "workflow_progress__rework_count",
            pd.NA,
            "Events so far whose activity had already been completed: not known",
        ),
        (
            "team_load__completed_count_7d",
            12.0,
            "Tasks completed in the last 7 days (last team): 12",
        ),
        (
            "person_workload__completed_count_7d",
            None,
            "Tasks completed in the last 7 days (last person): not known",
        ),
        ("slack_s", -93_784.0, "Time left until the due date: minus 1 d 2 h"),
        ("slack_s", np.nan, "Time left until the due date: not known"),
        ("elapsed_now_s", 59.6, "Time since opening: 1 min 0 s"),
        ("elapsed_now_s", 0.0, "Time since opening: 0 s"),
        (
            "workflow_attributes.AMOUNT_REQ",
            15_000.0,
            "AMOUNT_REQ (attribute of the workflow): 15000",
        ),
        (
            "workflow_progress__task_attributes.level",
            "high",
            "level (attribute of the task): high",
        ),
        (
            "workflow_progress__activity_counts.Repair",
            2,
            "Events of the activity Repair so far: 2",
        ),
        (
            "workflow_progress__activity_counts.Repair",
            None,
            "Events of the activity Repair so far: none",
        ),
        ("anything", True, "anything: True"),
    ],
)
def test_words(feature: str, value: Any, told: str) -> None:
    assert texts({feature: 0.5}, {feature: value}) == [f"{told}, which raises the risk."]


def test_a_time_is_told_in_iso() -> None:
    (reason,) = reasons({"x": 1.0}, {"x": pd.Timestamp(datetime(2020, 1, 2, tzinfo=UTC))})

    assert reason.value == "2020-01-02T00:00:00+00:00"
