"""Activities and classes as numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.next_activity.prefixes import END, LAST_COUNT
from pipelines.learning.ranking import UNKNOWN

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Vocabulary:
    """The activities of the training events, and the classes that may follow: these and `END`."""

    activities: tuple[str, ...]

    @classmethod
    def of(cls, activities: pd.Series) -> Self:
        """Collect the activities of training events.

        Raises:
            TrainingError: an activity has the name of the class `END`.
        """
        names = tuple(sorted(activities.unique()))
        if END in names:
            raise TrainingError(f"An activity is called {END!r}, as the end is: rename it.")
        return cls(names)

    @property
    def classes(self) -> tuple[str, ...]:
        """What may follow, in the order of the class codes."""
        return (*self.activities, END)

    @property
    def base(self) -> int:
        """Return a number above every activity code: two stand for none and for any other."""
        return len(self.activities) + 2

    def contexts(self, features: pd.DataFrame) -> Codes:
        """Return (rows, `LAST_COUNT`) codes of the last activities, the last one first."""
        columns = [self._activity_codes(features[f"activity_{i + 1}"]) for i in range(LAST_COUNT)]
        return np.stack(columns, axis=1)

    def class_codes(self, following: Sequence[str] | pd.Series) -> Codes:
        """Return the class of each name, `UNKNOWN` for one that training did not know."""
        return pd.Index(self.classes).get_indexer(pd.Index(following)).astype(np.int64)

    def _activity_codes(self, names: pd.Series) -> Codes:
        codes = pd.Index(self.activities).get_indexer(pd.Index(names)).astype(np.int64)
        other = len(self.activities)
        return np.where(names.isna(), other + 1, np.where(codes == UNKNOWN, other, codes))
