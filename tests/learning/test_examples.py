import numpy as np
import pandas as pd

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


def test_young_workflows_are_in_neither_part() -> None:
    # 200 days; every fifth workflow takes 30 days, the others one.
    train = rows([30 if n % 5 == 0 else 1 for n in range(200)])
    train = train[(train["as_of"] + pd.to_timedelta(train["lead_time_s"], unit="s")) < "2024-07-18"]
    fit, validation = validation_masks(train, 0.85)
    last_closing = pd.Timestamp("2024-07-17", tz="UTC")
    opened = train["as_of"]
    assert opened[validation].max() <= last_closing - pd.Timedelta(days=30)
    assert (train.loc[validation, "lead_time_s"] > 86_400).mean() == 7 / 34
    plain_fit, plain_validation = validation_masks(train)
    assert opened[plain_validation].max() == opened.max()
    # Of the plain ones, hardly any long one had time to end.
    assert (train.loc[plain_validation, "lead_time_s"] > 86_400).mean() < 0.1
    for mask, other in ((fit, validation), (plain_fit, plain_validation)):
        closed = train["as_of"] + pd.to_timedelta(train["lead_time_s"], unit="s")
        assert closed[mask].max() < opened[other].min()


def test_where_hardly_any_is_settled_all_are_taken() -> None:
    train = rows([90] * 120)
    np.testing.assert_array_equal(validation_masks(train, 0.8), validation_masks(train))
