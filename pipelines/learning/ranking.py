"""How high the right answer stands in a list of suggestions; plain numbers."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Ranks = npt.NDArray[np.float64]
Values = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

UNKNOWN: Final = -1
"""Code of an answer that is not among the suggestions: no rank, never a hit."""


def ranks(scores: Values, actual: Codes) -> Ranks:
    """Return the rank of each row's right answer, 1 the best; infinite where it is `UNKNOWN`.

    Equal scores rank in the order of the columns, as `argmax` does.

    Args:
        scores: (rows, candidates), higher is better.
        actual: (rows,) positions of the right answers.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    is_right = order == actual[:, None]
    return np.where(is_right.any(axis=1), is_right.argmax(axis=1) + 1.0, np.inf)


def ranking_metrics(found: Ranks, at: Sequence[int] = (1, 3, 5)) -> dict[str, float]:
    """Return the share of ranks up to each of `at` (`hit_at_3`, …) and the mean reciprocal rank."""
    hits = {f"hit_at_{count}": float((found <= count).mean()) for count in at}
    return {**hits, "mrr": float((1 / found).mean())}
