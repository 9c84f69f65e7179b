"""Compare versions on what was asked of them: champion, challenger and shadow, with outcomes."""

from dataclasses import dataclass
from math import nan, sqrt
from typing import Final

import pandas as pd

from pipelines.contracts import Model
from pipelines.monitoring.outcomes import SHADOW

CHAMPION: Final = "champion"
_VERSION: Final = ["variant", "model_version"]
_HOUR_S: Final = 3_600

LOSS: Final = {
    Model.REMAINING_TIME: "mean absolute error, hours",
    Model.DELAY_RISK: "Brier score",
}


@dataclass(frozen=True)
class VersionRecord:
    """What one version did in one variant, each workflow counting once.

    The loss is the mean absolute error in hours, or the Brier score; NaN while nothing is known.
    The difference is against the champion, on the same questions for a shadow and on the
    workflows drawn against each other for a challenger; below 0 the version is better. Errors
    are standard errors over workflows.
    """

    variant: str
    model_version: str
    answer_count: int
    known_workflow_count: int
    loss: float
    difference: float = nan
    difference_error: float = nan


def compare_versions(joined: pd.DataFrame, model: Model) -> list[VersionRecord]:
    """Compare the versions in the answers of one model.

    Args:
        joined: what `join_outcomes` gives for answers read with their shadows.
        model: says which loss.
    """
    rows = joined.assign(variant=joined["variant"].fillna(CHAMPION), loss=_loss(joined, model))
    champion = rows[rows["variant"] == CHAMPION]
    # Against a challenger only what was drawn: the rest was asked at other times.
    drawn = champion[champion["propensity"].between(0, 1, inclusive="neither")]
    records = []
    for (variant, version), own in rows.groupby(_VERSION, sort=True):
        losses = _by_workflow(own)
        difference, error = nan, nan
        if variant == SHADOW:
            difference, error = _paired(own, champion)
        elif variant != CHAMPION:
            difference, error = _unpaired(losses, _by_workflow(drawn))
        mean = float(losses.mean()) if len(losses) else nan
        records.append(
            VersionRecord(
                str(variant), str(version), len(own), len(losses), mean, difference, error
            )
        )
    return records


def _loss(joined: pd.DataFrame, model: Model) -> pd.Series:
    difference = joined["predicted"] - joined["actual"]
    return difference.abs() / _HOUR_S if model is Model.REMAINING_TIME else difference**2


def _by_workflow(rows: pd.DataFrame) -> pd.Series:
    known = rows.dropna(subset="loss")
    return known.groupby("workflow_id")["loss"].mean()


def _paired(shadow: pd.DataFrame, champion: pd.DataFrame) -> tuple[float, float]:
    """Compare answers to the same questions: of one workflow about one moment."""
    question = ["workflow_id", "as_of"]
    means = [rows.groupby(question)["loss"].mean() for rows in (shadow, champion)]
    differences = (means[0] - means[1]).dropna().groupby("workflow_id").mean()
    if len(differences) < 2:  # noqa: PLR2004 - no spread of one
        return nan, nan
    return float(differences.mean()), float(differences.std() / sqrt(len(differences)))


def _unpaired(own: pd.Series, others: pd.Series) -> tuple[float, float]:
    if min(len(own), len(others)) < 2:  # noqa: PLR2004
        return nan, nan
    variance = own.var() / len(own) + others.var() / len(others)
    return float(own.mean() - others.mean()), sqrt(variance)
