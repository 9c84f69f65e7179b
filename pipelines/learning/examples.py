"""Training rows as a learner reads them, and which of them choose between learners."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.learning.encode import Encoder
from pipelines.learning.encode_values import Matrix

Values = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Examples:
    """Encoded training rows, what should be answered, and masks of equal length.

    `fit` are the rows that the tried models learn from, `validation` the later rows that choose
    between them; the chosen one learns from all. `target` is in the model's own scale. `weight`
    is how many rows each stands for (see `censoring_weights`), `search_weight` the same while
    learners are tried, when less had ended (see `hold_out`); the same weights where None.
    `age_ratio` is how long before the newest row a row was true, as a share of the whole period.
    `workflow` numbers the workflows of the rows; None says that no two rows share one.
    """

    encoder: Encoder
    matrix: Matrix
    target: Values
    weight: Values
    age_ratio: Values
    fit: Mask
    validation: Mask
    workflow: Codes | None = None
    search_weight: Values | None = None

    @property
    def searching(self) -> Self:
        """The same rows as a search sees them."""
        if self.search_weight is None:
            return self
        return replace(self, weight=self.search_weight, search_weight=None)

    def thinned(self, most: int) -> Self:
        """Return the same rows with about `most` to fit on at most: of every n-th workflow."""
        every = -(-int(self.fit.sum()) // most)
        if every < 2 or self.workflow is None:  # noqa: PLR2004 - one in one is all
            return self
        return replace(self, fit=self.fit & (self.workflow % every == 0))

    def tree_weight(self, mask: Mask, half_life_ratio: float) -> Values | None:
        """Return the weights of rows, of mean one, or None where they are all alike.

        They halve with every `half_life_ratio` of the period that a row lies back.
        """
        weights = self.weight[mask] * np.exp2(-self.age_ratio[mask] / half_life_ratio)
        return None if np.ptp(weights) == 0 else np.asarray(weights / weights.mean())

    @property
    def everything(self) -> Mask:
        """Mask of all rows."""
        return np.ones(len(self.target), dtype=bool)


def age_ratios(as_of: pd.Series) -> Values:
    """Return for each moment how long before the last it lies, as a share of the period."""
    age = (as_of.max() - as_of).dt.total_seconds().to_numpy(dtype=float)
    return np.asarray(age / max(float(age.max()), 1.0))
