"""Probability that a running workflow closes late, as a model says, and what raises it most."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.contracts import FeatureView, RiskKind
from pipelines.features.views import qualified
from pipelines.learning.columns import WORKFLOW_ID, base_name
from pipelines.learning.predictor import EXPECTED, Predictor
from pipelines.learning.risks.alert import risk_frame

_DUE_AT: Final = qualified(FeatureView.WORKFLOW_PROGRESS, "due_at")
_LAST_ACTIVITY: Final = qualified(FeatureView.WORKFLOW_PROGRESS, "last_activity")
_DAY_S: Final = 86_400.0
_TOLD: Final = 2


def late_workflow(rows: pd.DataFrame, predictor: Predictor, as_of: pd.Timestamp) -> pd.DataFrame:
    """Score how probable it is that each running workflow closes late.

    One whose due date is past is late already, whatever the model says.

    Args:
        rows: workflow_id and the model's features at `as_of`, request-time ones included, one row
            a workflow; rows without a last event, whose features have expired, are left out.
            Not changed.
        predictor: of `delay_risk`.
        as_of: moment of the answer.

    Returns:
        See `risk_frame`.

    Raises:
        TrainingError: a column is missing.
    """
    known = rows[rows[_LAST_ACTIVITY].notna()].reset_index(drop=True)
    if known.empty:
        return risk_frame(RiskKind.LATE_WORKFLOW, [], [], [], as_of)
    is_overdue = (known[_DUE_AT] < as_of).fillna(value=False).to_numpy(dtype=bool)
    said = predictor.predict(known)["late_probability"].to_numpy(dtype=float)
    shares = predictor.contributions(known).drop(columns=EXPECTED)
    reasons = [
        _reason(row, probability, _raised_by(shares.columns, share), as_of)
        for row, probability, share in zip(
            known.to_dict("records"), said.tolist(), shares.to_numpy(dtype=float), strict=True
        )
    ]
    return risk_frame(
        RiskKind.LATE_WORKFLOW,
        known[WORKFLOW_ID].to_list(),
        np.where(is_overdue, 1.0, said).tolist(),
        reasons,
        as_of,
    )


def _raised_by(names: Iterable[str], shares: npt.NDArray[np.float64]) -> list[str]:
    strongest = sorted(zip(shares.tolist(), names, strict=True), reverse=True)[:_TOLD]
    return [base_name(name) for share, name in strongest if share > 0]


def _reason(
    row: Mapping[Hashable, Any], probability: float, raised_by: list[str], as_of: pd.Timestamp
) -> str:
    due_at, last = row[_DUE_AT], f"last was {row[_LAST_ACTIVITY]!r}"
    if not pd.isna(due_at) and due_at < as_of:
        days = (as_of - due_at).total_seconds() / _DAY_S
        return f"Late by {days:.1f} days so far: it was due {due_at:%Y-%m-%d %H:%M} UTC; {last}."
    due = "it has no due date" if pd.isna(due_at) else f"it is due {due_at:%Y-%m-%d %H:%M} UTC"
    told = f"Late with a probability of {probability:.0%}; {due}; {last}"
    return f"{told}; raised most by {' and '.join(raised_by)}." if raised_by else f"{told}."
