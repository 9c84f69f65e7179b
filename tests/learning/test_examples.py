import numpy as np
import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.examples import validation_masks

START = pd.Timestamp("2024-01-01", tz="UTC")


def rows(lead_days: list[int]) -> pd.DataFrame:
    """One row at the opening of each workflow; one opens a day."""
    count = len(lead_days)
    seconds = np.array(lead_days) * 86_400.0
    return pd.DataFrame(
        {
            "workflow_id": [f"w{n:03d}" for n in range(count)],
            "as_of": START + pd.to_timedelta(np.arange(count), unit="D"),
            "remaining_time_s": seconds,
            "lead_time_s": seconds,
        }
    )


def test_those_to_fit_on_had_ended_before_the_first_to_validate_on_opened() -> None:
    # 200 days; every fifth workflow takes 30 days, the others one.
    train = rows([30 if n % 5 == 0 else 1 for n in range(200)])
    fit, validation = validation_masks(train)
    opened = train["as_of"]
    closed = opened + pd.to_timedelta(train["lead_time_s"], unit="s")
    assert validation.sum() == 40
    assert closed[fit].max() < opened[validation].min()
    assert opened[fit].max() < opened[validation].min()
    assert 120 < fit.sum() < 160


def test_where_all_overlap_the_earlier_opened_are_fitted_on() -> None:
    fit, validation = validation_masks(rows([400] * 120))
    assert validation.tolist() == [False] * 96 + [True] * 24
    assert fit.tolist() == [True] * 96 + [False] * 24


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(TrainingError, match="8 training rows to validate on, at least 20"):
        validation_masks(rows([1] * 40))
