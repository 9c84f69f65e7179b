"""Which training rows choose between learners: late ones, of workflows that had time to end.

Of the workflows opened last only the short ones have ended when a training period does, and a
learner chosen on them is one that answers too short. So nothing validates that was opened later
than nine workflows in ten take, and those that validate stand for the few that had not ended;
so do those to fit on, of which less had ended yet. Where it is lateness that is learned, it counts
when that was known instead of the end.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.columns import AS_OF, KNOWN_AT, WAIT, WEIGHT, WORKFLOW_ID
from pipelines.learning.encode import Encoder
from pipelines.learning.examples import Examples, Mask, Values, age_ratios
from pipelines.learning.split import censoring_weights

_VALIDATION_RATIO: Final = 0.2
_KNOWN_SHARE: Final = 0.9  # of the workflows, in the time that the last to validate had
_LONGEST_WAIT_RATIO: Final = 1 / 3  # of the period: older workflows tell less of what comes
_LEAST_ROWS: Final = 20
_LEAST_OF_CLASS: Final = 5  # workflows


@dataclass(frozen=True)
class Holdout:
    """Masks of the rows to fit on and to validate on, and how many rows each stands for.

    The weights of all other rows are one.
    """

    fit: Mask
    validation: Mask
    weight: Values


def held_out_examples(
    train: pd.DataFrame, encoder: Encoder, target: Values, *, has_classes: bool = False
) -> Examples:
    """Return training rows as a learner reads them, of which late ones choose.

    Args:
        train: see `hold_out`.
        encoder: fitted on them.
        target: what should be answered, in the model's own scale.
        has_classes: the target is one of two classes, and choosing takes both: where a period is
            too short to tell both of the earlier and of the later workflows, every fifth of all
            chooses.

    Raises:
        TrainingError: too few rows to choose by.
    """
    holdout = hold_out(train)
    if has_classes and not all(
        _has_both(train[WORKFLOW_ID][side], target[side])
        for side in (holdout.fit, holdout.validation)
    ):
        holdout = _every_fifth(train)
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
        train: rows with workflow_id, as_of, label_known_at, label_wait_s and censoring_weight, all
            of workflows whose label was known when the training period ended.

    Raises:
        TrainingError: too few rows on one side.
    """
    workflows = _workflows(train)
    opened, known_at = workflows["opened_at"], workflows[KNOWN_AT]
    train_end = known_at.max()
    last = train_end - _time_to_know(workflows, train_end)
    opened_at, label_known_at = (train[WORKFLOW_ID].map(at) for at in (opened, known_at))
    if (opened_at <= last).sum() * _VALIDATION_RATIO < _LEAST_ROWS:
        last = train_end  # too short a history to wait
    settled = opened[opened <= last]
    start = settled.iloc[int(len(settled) * (1 - _VALIDATION_RATIO))]
    validation = ((opened_at >= start) & (opened_at <= last)).to_numpy()
    is_before = (train[AS_OF] < start).to_numpy()  # what is late may go on
    fit = (label_known_at < start).to_numpy() & is_before
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
    weight = train[WORKFLOW_ID].map(pd.concat(known)).fillna(1.0).to_numpy(dtype=float)
    return Holdout(fit, validation, np.where(fit | validation, weight, 1.0))


def _workflows(train: pd.DataFrame) -> pd.DataFrame:
    """Return opened_at, label_known_at, the wait between and the weight of each workflow."""
    wait = pd.to_timedelta(train[WAIT], unit="s")
    rows = train[[WORKFLOW_ID, KNOWN_AT, WEIGHT]].assign(
        opened_at=train[KNOWN_AT] - wait, wait=wait
    )
    return rows.groupby(WORKFLOW_ID).first().sort_values("opened_at", kind="stable")


def _has_both(workflow_id: pd.Series, target: Values) -> bool:
    """Say whether enough workflows are of either class."""
    classes = pd.Series(target, index=workflow_id).groupby(level=0).first()
    return min((classes > 0).sum(), (classes <= 0).sum()) >= _LEAST_OF_CLASS


def _every_fifth(train: pd.DataFrame) -> Holdout:
    """Hold out every fifth workflow of the whole period; each stands for what it stands for."""
    workflows = _workflows(train)
    every = round(1 / _VALIDATION_RATIO)
    is_fifth = pd.Series(np.arange(len(workflows)) % every == every - 1, index=workflows.index)
    validation = train[WORKFLOW_ID].map(is_fifth).to_numpy(dtype=bool)
    return Holdout(~validation, validation, train[WEIGHT].to_numpy(dtype=float))


def _time_to_know(workflows: pd.DataFrame, train_end: pd.Timestamp) -> pd.Timedelta:
    """Return how long it takes for nine workflows in ten, but never too much of the period."""
    most = np.quantile(
        workflows["wait"].dt.total_seconds().to_numpy(),
        _KNOWN_SHARE,
        weights=workflows[WEIGHT].to_numpy(),
        method="inverted_cdf",
    )
    period = train_end - workflows["opened_at"].iloc[0]
    return pd.Timedelta(min(pd.Timedelta(seconds=float(most)), period * _LONGEST_WAIT_RATIO))


def _weights(workflows: pd.DataFrame, end: pd.Timestamp) -> pd.Series:
    """Return the weights of those of a period's workflows whose label was known at some moment."""
    known = workflows[KNOWN_AT] <= end
    return censoring_weights(
        workflows["opened_at"], workflows.loc[known, "wait"], end, workflows[WEIGHT]
    )
