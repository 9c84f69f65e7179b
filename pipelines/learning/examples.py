"""Training rows as a learner reads them, and which of them choose between learners."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.columns import AS_OF, WORKFLOW_ID
from pipelines.learning.encode import Encoder
from pipelines.learning.encode_values import Matrix

Values = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_VALIDATION_RATIO: Final = 0.2
_LEAST_ROWS: Final = 20


@dataclass(frozen=True)
class Examples:
    """Encoded training rows, what should be answered, and masks of equal length.

    `fit` are the rows that the tried models learn from, `validation` the later rows that choose
    between them; the chosen one learns from all. `target` is in the model's own scale. `weight`
    is the censoring weight: calibration uses it, as most of the long workflows opened lately
    have not ended; the trees do not: measured on public logs, it made their error on later
    workflows larger as often as smaller. `age_ratio` is how long before the newest row a row
    was true, as a share of the whole period. `workflow` numbers the workflows of the rows; None
    says that no two rows share one.
    """

    encoder: Encoder
    matrix: Matrix
    target: Values
    weight: Values
    age_ratio: Values
    fit: Mask
    validation: Mask
    workflow: Codes | None = None

    def recency(self, mask: Mask, half_life_ratio: float) -> Values:
        """Return weights of mean one that halve with every `half_life_ratio` of the period."""
        weights = np.exp2(-self.age_ratio[mask] / half_life_ratio)
        return np.asarray(weights / weights.mean())

    @property
    def everything(self) -> Mask:
        """Mask of all rows."""
        return np.ones(len(self.target), dtype=bool)


def age_ratios(as_of: pd.Series) -> Values:
    """Return for each moment how long before the last it lies, as a share of the period."""
    age = (as_of.max() - as_of).dt.total_seconds().to_numpy(dtype=float)
    return np.asarray(age / max(float(age.max()), 1.0))


def validation_masks(train: pd.DataFrame) -> tuple[Mask, Mask]:
    """Return the masks of the rows to fit on and of the later rows to validate on.

    The validation workflows are the latest-opened fifth of the training workflows; those to fit
    on had ended when the first of them opened.

    Raises:
        TrainingError: too few rows on one side.
    """
    closed_at = train[AS_OF] + pd.to_timedelta(train["remaining_time_s"], unit="s")
    opened_at = closed_at - pd.to_timedelta(train["lead_time_s"], unit="s")
    openings = opened_at.groupby(train[WORKFLOW_ID]).first().sort_values()
    start = openings.iloc[int(len(openings) * (1 - _VALIDATION_RATIO))]
    validation = (opened_at >= start).to_numpy()
    fit = (closed_at < start).to_numpy()
    if fit.sum() < _LEAST_ROWS:
        # Nearly everything overlaps: better to validate a little kindly than not at all.
        fit = ~validation
    for side, mask in (("to fit on", fit), ("to validate on", validation)):
        if mask.sum() < _LEAST_ROWS:
            raise TrainingError(
                f"{int(mask.sum())} training rows {side}, at least {_LEAST_ROWS} are "
                f"needed ({len(openings)} training workflows): import a longer history."
            )
    return fit, validation
