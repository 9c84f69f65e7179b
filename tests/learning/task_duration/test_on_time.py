import numpy as np
import pandas as pd
import pytest

from pipelines.learning.task_duration.durations import on_time_probability, spread_ratio
from pipelines.learning.task_duration.spans import Span

ANSWERS = pd.DataFrame(
    {
        "sojourn_time_s_low90": [9.0],
        "sojourn_time_s_low80": [99.0],
        "sojourn_time_s": [999.0],
        "sojourn_time_s_high80": [9_999.0],
        "sojourn_time_s_high90": [99_999.0],
    }
)


@pytest.mark.parametrize(
    ("available_s", "probability"),
    [
        (999.0, 0.5),
        (9_999.0, 0.9),
        (99.0, 0.1),
        (10**3.5 - 1, 0.7),  # halfway on the scale of its log
        (10**9, 0.925),  # no more is known beyond
        (1.0, 0.025),
        (-1.0, 0.0),
    ],
)
def test_chances_are_read_off_the_quantiles(available_s: float, probability: float) -> None:
    (chance,) = on_time_probability(ANSWERS, Span.SOJOURN, np.array([available_s]))
    assert chance == pytest.approx(probability, abs=1e-6)


def test_without_a_due_date_there_is_no_chance() -> None:
    assert np.isnan(on_time_probability(ANSWERS, Span.SOJOURN, np.array([np.nan]))[0])


def test_the_spread_is_that_of_a_normal_error_with_the_same_interval() -> None:
    answers = pd.DataFrame(
        {
            "service_time_s_low80": [1_000 - 128.155, 0.0, 0.0],
            "service_time_s": [1_000.0, 1_000.0, 0.0],
            "service_time_s_high80": [1_000 + 128.155, 1_025.24, 600.0],
        }
    )
    assert spread_ratio(answers.head(1), Span.SERVICE) == pytest.approx(0.1, abs=1e-4)
    assert spread_ratio(answers.head(2), Span.SERVICE) == pytest.approx(0.25, abs=1e-3)
    assert np.isfinite(spread_ratio(answers.tail(1), Span.SERVICE))
