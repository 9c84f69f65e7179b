"""Simple rankings of who takes over, on the same candidates as the learner's."""

from collections.abc import Callable
from typing import Final

import numpy as np

from pipelines.learning.assignee.coded_log import NONE, CodedLog, Ints, Mask, Values
from pipelines.learning.assignee.pairs import Pairs

Score = Callable[[CodedLog, Mask, Pairs], Values]

N_GRAM: Final = "n-gram: activity, present and previous person"
_NEVER: Final = -1e12


def most_frequent(log: CodedLog, train: Mask, pairs: Pairs) -> Values:
    """Rank by how often someone took over in the training handovers."""
    counts = np.bincount(log.next_person[train], minlength=len(log.people))
    return counts[pairs.candidate].astype(float)


def n_gram(log: CodedLog, train: Mask, pairs: Pairs) -> Values:
    """Rank by how often someone took over in the strictest situation, backing off to looser ones.

    Situations: present person, activity and previous person; the first two; the person; all.
    """
    previous = _previous_person(log)
    counts: list[dict[tuple[int, ...], Values]] = [{}, {}, {}, {}]
    for position in np.flatnonzero(train):
        for level, key in enumerate(_situations(log, int(position), previous)):
            found = counts[level].setdefault(key, np.zeros(len(log.people)))
            found[log.next_person[position]] += 1
    nobody = np.zeros(len(log.people))
    scores = []
    begins = np.cumsum(pairs.size) - pairs.size
    for position, begin, size in zip(pairs.position, begins, pairs.size, strict=True):
        people = pairs.candidate[begin : begin + size]
        score = np.zeros(size)
        for level, key in enumerate(_situations(log, int(position), previous)):
            here = counts[level].get(key, nobody)[people]
            # Equal counts are told apart by the looser situation, as are those of nobody.
            score = here + score / (1 + score.max(initial=0))
        scores.append(score)
    return np.concatenate(scores)


def _situations(log: CodedLog, position: int, previous: Ints) -> list[tuple[int, ...]]:
    event = log.events[position]
    strictest = (event.person, event.activity, int(previous[position]))
    return [strictest[:length] if length else () for length in (0, 1, 2, 3)]


def _previous_person(log: CodedLog) -> Ints:
    """Return who did the workflow's event before, NONE at its first."""
    last: dict[int, int] = {}
    previous = np.full(len(log.events), NONE)
    for position, event in enumerate(log.events):
        previous[position] = last.get(event.workflow, NONE)
        last[event.workflow] = event.person
    return previous


def _by_column(name: str, sign: float) -> Score:
    def score(_log: CodedLog, _train: Mask, pairs: Pairs) -> Values:
        values = sign * pairs.column(name).astype(float)
        return np.nan_to_num(values, nan=_NEVER)

    return score


BASELINES: Final[dict[str, Score]] = {
    "most frequent": most_frequent,
    "last one on this activity": _by_column("since_activity_s", -1),
    "last one to take over after this activity": _by_column("since_taking_over_activity_s", -1),
    N_GRAM: n_gram,
    "the same of the latest weeks, kept up to date": _by_column("took_over_people_30d_ratio", 1),
}
