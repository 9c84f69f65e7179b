import pytest

from pipelines.contracts import Model
from pipelines.learning.gate import decide
from pipelines.learning.metrics import Metrics

BASELINE: dict[str, Metrics] = {"median": {"mae_hours": 10.0}}


@pytest.mark.parametrize(
    ("challenger", "champion", "tolerance", "promote", "reason"),
    [
        (8.0, None, 0.0, True, "there is no champion"),
        (12.0, None, 0.0, False, "there is no champion, so nothing answers yet"),
        (10.0, None, 0.0, False, "does not beat the baseline"),
        (7.9, 8.0, 0.0, True, "against the champion's 8"),
        (8.0, 8.0, 0.0, False, "not better"),
        (8.0, 8.0, 0.1, False, "not better"),  # a tie keeps the champion
        (8.3, 8.0, 0.0, False, "not better"),
        (8.3, 8.0, 0.05, True, "tolerance 5.0%"),
        (8.5, 8.0, 0.05, False, "not better"),
        # Worse than the median: not even in place of a champion that is worse still.
        (11.0, 12.0, 0.0, False, "does not beat the baseline"),
    ],
)
def test_promotion_of_a_duration_model(
    challenger: float, champion: float | None, tolerance: float, *, promote: bool, reason: str
) -> None:
    decision = decide(
        Model.REMAINING_TIME,
        {"mae_hours": challenger},
        None if champion is None else {"mae_hours": champion},
        BASELINE,
        tolerance,
    )
    assert decision.promote is promote
    assert reason in decision.reason


def _risk(log_loss: float, brier: float, auc: float | None) -> Metrics:
    return {"log_loss": log_loss, "brier": brier, "auc": auc}


@pytest.mark.parametrize(
    ("challenger", "promote"),
    [
        (_risk(0.5, 0.20, 0.8), True),
        (_risk(0.7, 0.24, 0.8), True),  # ranks well and errs no more, though too sure at times
        (_risk(0.7, 0.26, 0.8), False),
        (_risk(0.7, 0.24, 0.5), False),
        (_risk(0.7, 0.24, None), False),  # one class only: nothing is shown
    ],
)
def test_promotion_of_a_risk_model(challenger: Metrics, *, promote: bool) -> None:
    baselines = {"median": _risk(0.6, 0.25, 0.5)}
    assert decide(Model.DELAY_RISK, challenger, None, baselines).promote is promote
