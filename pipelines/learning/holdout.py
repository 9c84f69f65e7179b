"""Which training rows choose between learners: late ones, of workflows that had time to end.

Of the workflows opened last only the short ones have ended when a training period does, and a
learner chosen on them is one that answers too short. So nothing validates that was opened later
than nine workflows in ten take, and those that validate stand for the few that had not ended;
so do those to fit on, of which less had ended yet.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.columns import AS_OF, WEIGHT, WORKFLOW_ID
from pipelines.learning.encode import Encoder
from pipelines.learning.examples import Examples, Mask, Values, age_ratios
from pipelines.learning.split import censoring_weights

_VALIDATION_RATIO: Final = 0.2
_ENDED_SHARE: Final = 0.9  # of the workflows, in the time that the last to validate had
_LONGEST_WAIT_RATIO: Final = 1 / 3  # of the period: older workflows tell less of what comes
_LEAST_ROWS: Final = 20


@dataclass(frozen=True)
class Holdout:
    """Masks of the rows to fit on and to validate on, and how many rows each stands for.

    The weights of all other rows are one.
    """

    fit: Mask
    validation: Mask
    weight: Values


def held_out_examples(train: pd.DataFrame, encoder: Encoder, target: Values) -> Examples:
    """Return training rows as a learner reads them, of which late ones choose.

    Args:
        train: see `hold_out`.
        encoder: fitted on them.
        target: what should be answered, in the model's own scale.

    Raises:
        TrainingError: too few rows to choose by.
    """
    holdout = hold_out(train)
    return Examples(
        encoder=encoder,
        matrix=encoder.matrix(train),
        target=target,
        weight=train[WEIGHT].to_numpy(dtype=float),
        age_ratio=age_ratios(train[AS_OF]),
        fit=holdout.fit,
        validation=holdout.validation,
        workflow=pd.factorize(train[WORKFLOW_ID])[0],
        search_weight=holdout.weight,
    )


def hold_out(train: pd.DataFrame) -> Holdout:
    """Hold out the latest-opened fifth of the training workflows that had time to end.

    Those to fit on had ended when the first of them opened.

    Args:
        train: rows with workflow_id, as_of, remaining_time_s, lead_time_s and censoring_weight,
            all of workflows that had ended when the training period did.

    Raises:
        TrainingError: too few rows on one side.
    """
    closed_at = train[AS_OF] + pd.to_timedelta(train["remaining_time_s"], unit="s")
    lead_time = pd.to_timedelta(train["lead_time_s"], unit="s")
    rows = pd.DataFrame(
        {
            WORKFLOW_ID: train[WORKFLOW_ID],
            "opened_at": closed_at - lead_time,
            "closed_at": closed_at,
            "lead_time": lead_time,
            WEIGHT: train[WEIGHT],
        }
    )
    # Reckoned back, one moment may differ from row to row by a rounding: a workflow has one.
    workflows = rows.groupby(WORKFLOW_ID).first().sort_values("opened_at", kind="stable")
    opened_at, closed_at = (
        rows[WORKFLOW_ID].map(workflows[at]) for at in ("opened_at", "closed_at")
    )
    train_end = workflows["closed_at"].max()
    last = train_end - _time_to_end(workflows, train_end)
    if (opened_at <= last).sum() * _VALIDATION_RATIO < _LEAST_ROWS:
        last = train_end  # too short a history to wait
    opened = workflows["opened_at"]
    settled = opened[opened <= last]
    start = settled.iloc[int(len(settled) * (1 - _VALIDATION_RATIO))]
    validation = ((opened_at >= start) & (opened_at <= last)).to_numpy()
    fit = (closed_at < start).to_numpy()
    if fit.sum() < _LEAST_ROWS:
        # Nearly everything overlaps: better to validate a little kindly than not at all.
        fit = (opened_at < start).to_numpy()
    for side, mask in (("to fit on", fit), ("to validate on", validation)):
        if mask.sum() < _LEAST_ROWS:
            raise TrainingError(
                f"{int(mask.sum())} training rows {side}, at least {_LEAST_ROWS} are "
                f"needed ({len(workflows)} training workflows): import a longer history."
            )
    known = [
        _weights(workflows[opened < start], start),
        _weights(workflows[(opened >= start) & (opened <= last)], train_end),
    ]
    weight = rows[WORKFLOW_ID].map(pd.concat(known)).fillna(1.0).to_numpy(dtype=float)
    return Holdout(fit, validation, np.where(fit | validation, weight, 1.0))


def _time_to_end(workflows: pd.DataFrame, train_end: pd.Timestamp) -> pd.Timedelta:
    """Return how long nine workflows in ten take, but never too much of the period."""
    seconds = workflows["lead_time"].dt.total_seconds().to_numpy()
    most = np.quantile(
        seconds, _ENDED_SHARE, weights=workflows[WEIGHT].to_numpy(), method="inverted_cdf"
    )
    period = train_end - workflows["opened_at"].iloc[0]
    return pd.Timedelta(min(pd.Timedelta(seconds=float(most)), period * _LONGEST_WAIT_RATIO))


def _weights(workflows: pd.DataFrame, end: pd.Timestamp) -> pd.Series:
    """Return the weights of those of a period's workflows that had ended at some moment."""
    ended = workflows["closed_at"] <= end
    return censoring_weights(
        workflows["opened_at"], workflows.loc[ended, "lead_time"], end, workflows[WEIGHT]
    )
