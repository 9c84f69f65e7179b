"""Candidates from history: who took over in the same situation, and who from whom."""

from typing import Final

import numpy as np

from pipelines.learning.assignee.coded_log import NONE
from pipelines.learning.assignee.decayed import DecayedCounts, LastTimes, Values
from pipelines.learning.assignee.question import Question

Vectors = dict[str, Values]

DAY_S: Final = 86_400.0
# Nothing longer: a count over all time says which moment it is, and trees learn moments by heart.
_HALF_LIVES_S: Final = {"7d": 7 * DAY_S, "30d": 30 * DAY_S, "180d": 180 * DAY_S}
_BACK_OFF_COUNT: Final = 3.0


class Handovers:
    """Who took over in which situation, as of a moment."""

    def __init__(self) -> None:
        self._counts = DecayedCounts(tuple(_HALF_LIVES_S.values()))
        self._last = LastTimes()

    def learn(self, question: Question, person: int) -> None:
        """Count that a person took over at the moment of a question's answer."""
        for name, key in (_situations(question) | _pairs(question)).items():
            self._counts.add((name, *key), person, question.now_s)
        for context in (None, question.activity):
            self._last.add(context, person, question.now_s)

    def features(self, question: Question) -> Vectors:
        """Return per person shares of the handovers, and seconds since taking over.

        The share in a situation is drawn to that in the looser one by three handovers, as an
        interpolated n-gram is (MacKay and Peto, "A hierarchical Dirichlet language model",
        Natural Language Engineering, 1995).
        """
        size = question.person_count
        vectors: Vectors = {}
        share = np.full((len(_HALF_LIVES_S), size), 1 / size)
        for name, key in _situations(question).items():
            counts = self._others(name, key, question)
            total = counts.sum(axis=1, keepdims=True)
            share = (counts + _BACK_OFF_COUNT * share) / (total + _BACK_OFF_COUNT)
            vectors |= _named(f"took_over_{name}", share)
        for name, key in _pairs(question).items():
            counts = self._others(name, key, question)
            share = counts / (counts.sum(axis=1, keepdims=True) + 1)
            vectors |= _named(f"took_over_{name}", share)
        vectors["since_taking_over_s"] = self._last.since_s(None, question.now_s, size)
        vectors["since_taking_over_activity_s"] = self._last.since_s(
            question.activity, question.now_s, size
        )
        return vectors

    def _others(self, name: str, key: tuple[int, ...], question: Question) -> Values:
        counts = self._counts.at((name, *key), question.now_s, question.person_count)
        if question.person != NONE and counts[:, question.person].any():
            counts = counts.copy()
            counts[:, question.person] = 0
        return counts


def _situations(question: Question) -> dict[str, tuple[int, ...]]:
    """Return the situation in words from the loosest to the strictest."""
    return {
        "all": (),
        "activity": (question.activity,),
        "activities": (question.activity, question.previous_activity),
        "person": (question.activity, question.person),
        "people": (question.activity, question.person, question.previous_person),
    }


def _pairs(question: Question) -> dict[str, tuple[int, ...]]:
    return {"from_person": (question.person,)}


def _named(name: str, rows: Values) -> Vectors:
    return {f"{name}_{life}_ratio": row for life, row in zip(_HALF_LIVES_S, rows, strict=True)}
