"""Probability that a running workflow closes late, as a model says, and what raises it most."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.contracts import FeatureView, RiskKind
from pipelines.features.views import qualified
from pipelines.learning.columns import WORKFLOW_ID, base_name
from pipelines.learning.late_limits import ELAPSED
from pipelines.learning.predictor import EXPECTED, Predictor
from pipelines.learning.risks.alert import risk_frame

_DUE_AT: Final = qualified(FeatureView.WORKFLOW_PROGRESS, "due_at")
_LAST_ACTIVITY: Final = qualified(FeatureView.WORKFLOW_PROGRESS, "last_activity")
_DAY_S: Final = 86_400.0
_TOLD: Final = 2


def late_workflow(rows: pd.DataFrame, predictor: Predictor, as_of: pd.Timestamp) -> pd.DataFrame:
    """Score how probable it is that each running workflow closes late.

    One that is beyond its due date or usual lead time is late already, whatever was learned.

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
    said = predictor.predict(known)
    shares = predictor.contributions(known).drop(columns=EXPECTED)
    reasons = [
        _reason(row, answer, _raised_by(shares.columns, share))
        for row, answer, share in zip(
            known.to_dict("records"),
            said.to_dict("records"),
            shares.to_numpy(dtype=float),
            strict=True,
        )
    ]
    return risk_frame(
        RiskKind.LATE_WORKFLOW,
        known[WORKFLOW_ID].to_list(),
        said["late_probability"].to_list(),
        reasons,
        as_of,
    )


def _raised_by(names: Iterable[str], shares: npt.NDArray[np.float64]) -> list[str]:
    strongest = sorted(zip(shares.tolist(), names, strict=True), reverse=True)[:_TOLD]
    return [base_name(name) for share, name in strongest if share > 0]


def _reason(
    row: Mapping[Hashable, Any], answer: Mapping[Hashable, Any], raised_by: list[str]
) -> str:
    due_at, last = row[_DUE_AT], f"last was {row[_LAST_ACTIVITY]!r}"
    has_due = not pd.isna(due_at)
    overdue_s = answer.get("overdue_s", 0.0)
    if overdue_s > 0:
        usual_days = (row[ELAPSED] - overdue_s) / _DAY_S
        limit = (
            f"it was due {due_at:%Y-%m-%d %H:%M} UTC"
            if has_due
            else f"such workflows usually take {usual_days:.1f} days at most"
        )
        return f"Late by {overdue_s / _DAY_S:.1f} days so far: {limit}; {last}."
    due = f"it is due {due_at:%Y-%m-%d %H:%M} UTC" if has_due else "it has no due date"
    told = f"Late with a probability of {answer['late_probability']:.0%}; {due}; {last}"
    return f"{told}; raised most by {' and '.join(raised_by)}." if raised_by else f"{told}."
