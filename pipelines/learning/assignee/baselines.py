"""Simple rankings of candidates, which a learner has to be better than."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from pipelines.learning.assignee.coded_log import Values
from pipelines.learning.assignee.pairs import Pairs

Situation = tuple[int, ...]
_NEVER: Final = -1e12


def back_off(
    told: Iterable[tuple[Sequence[Situation], int]],
    asked: Iterable[Sequence[Situation]],
    pairs: Pairs,
    person_count: int,
) -> Values:
    """Rank by how often someone was the one in the strictest situation, then in looser ones.

    Args:
        told: situations that occurred, from the loosest to the strictest, and whose they were.
        asked: situations of each question, likewise.
        pairs: the questions' candidates.
        person_count: above every person's code.
    """
    counts: dict[tuple[int, Situation], Values] = {}
    for situations, person in told:
        for level in enumerate(situations):
            counts.setdefault(level, np.zeros(person_count))[person] += 1
    nobody = np.zeros(person_count)
    scores = []
    begins = np.cumsum(pairs.size) - pairs.size
    for situations, begin, size in zip(asked, begins, pairs.size, strict=True):
        people = pairs.candidate[begin : begin + size]
        score = np.zeros(size)
        for level in enumerate(situations):
            here = counts.get(level, nobody)[people]
            # Equal counts are told apart by the looser situation, as are those of nobody.
            score = here + score / (1 + score.max(initial=0))
        scores.append(score)
    return np.concatenate(scores)


def by_column(pairs: Pairs, name: str, sign: float = 1.0) -> Values:
    """Rank by one feature, with -1 the smallest first; who has no value comes last."""
    return np.nan_to_num(sign * pairs.column(name).astype(float), nan=_NEVER)
