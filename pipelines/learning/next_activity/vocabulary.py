"""Activities and classes as numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.next_activity.prefixes import END, LAST_ACTIVITIES, LAST_COUNT

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

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """What may follow, in the order of the class codes."""
        return (*self.activities, END)

    @property
    def base(self) -> int:
        """Return a number above every activity code: two stand for none and for any other."""
        return len(self.activities) + 2

    def contexts(self, features: pd.DataFrame) -> Codes:
        """Return (rows, `LAST_COUNT`) codes of the last activities, the last one first."""
        columns = [features[name].astype(object) for name in LAST_ACTIVITIES]
        rows = zip(*(names.where(names.notna(), None) for names in columns), strict=True)
        return self.contexts_of(rows)

    def contexts_of(self, activities: Iterable[Sequence[str | None]]) -> Codes:
        """Return what `contexts` does of rows of `LAST_COUNT` activities; None where none was."""
        other = len(self.activities)
        codes = [[self._codes.get(name, other) for name in row] for row in activities]
        return np.array(codes, dtype=np.int64).reshape(-1, LAST_COUNT)

    def class_codes(self, following: Sequence[str] | pd.Series) -> Codes:
        """Return the class of each name, `UNKNOWN` for one that training did not know."""
        return pd.Index(self.classes).get_indexer(pd.Index(following)).astype(np.int64)

    @cached_property
    def _codes(self) -> dict[str | None, int]:
        codes: dict[str | None, int] = {name: i for i, name in enumerate(self.activities)}
        return codes | {None: len(codes) + 1}
