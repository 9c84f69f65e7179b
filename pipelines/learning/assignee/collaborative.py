"""Candidates from collaborative filtering: who may know a situation, by those who work alike."""

from typing import Final

import numpy as np
import scipy.sparse as sp
from implicit.nearest_neighbours import (  # type: ignore[import-untyped]
    ItemItemRecommender,
    normalize,
)

from pipelines.learning.assignee.decayed import Values
from pipelines.learning.assignee.handovers import Vectors
from pipelines.learning.assignee.question import Question

_NEIGHBOURS: Final = 20
_FIRST_FIT_COUNT: Final = 100
_GROWTH: Final = 1.1
NAMES: Final = ("item_based_score", "user_based_score")
Context = tuple[int, ...]


class Collaborative:
    """Neighbours among people and among situations (`implicit`), as of a moment.

    Items are the activity alone and with the one before it. Fitted anew whenever the history
    has grown by a tenth; the last fit answers until then.
    """

    def __init__(self) -> None:
        self._items: dict[Context, int] = {}
        self._pairs: list[tuple[int, int]] = []
        self._next_fit = _FIRST_FIT_COUNT
        self._scores = np.zeros((len(NAMES), 0, 0))

    def learn(self, question: Question, person: int) -> None:
        """Count that a person took over."""
        for context in _contexts(question):
            self._pairs.append((person, self._items.setdefault(context, len(self._items))))
        if len(self._pairs) >= self._next_fit:
            self._next_fit = int(len(self._pairs) * _GROWTH) + 1
            self._fit()

    def features(self, question: Question) -> Vectors:
        """Return both scores per person; NaN where the last fit knew no such person or item."""
        scores = np.full((len(NAMES), question.person_count), np.nan)
        _, person_count, item_count = self._scores.shape
        for context in _contexts(question):
            item = self._items.get(context, item_count)
            if item < item_count:
                scores[:, :person_count] = self._scores[:, :, item]
        return dict(zip(NAMES, scores, strict=True))

    def _fit(self) -> None:
        people, items = np.array(self._pairs).T
        counts = sp.coo_matrix((np.ones(len(people)), (people, items))).tocsr()
        # The tenth time someone does a thing tells less than the first.
        counts.data = np.log1p(counts.data)
        self._scores = np.stack([_item_based(counts), _user_based(counts)])


def _contexts(question: Question) -> tuple[Context, Context]:
    return (question.activity,), (question.activity, question.previous_activity)


def _item_based(counts: sp.csr_matrix) -> Values:
    scores: Values = (counts @ _similarity(counts)).toarray()
    return scores


def _user_based(counts: sp.csr_matrix) -> Values:
    neighbours = _similarity(counts.T).tolil()
    neighbours.setdiag(0)  # what the person did is told elsewhere
    scores: Values = (neighbours.tocsr() @ counts).toarray()
    return scores


def _similarity(counts: sp.spmatrix) -> sp.csr_matrix:
    """Return the cosines of each column's nearest columns."""
    # Not `CosineRecommender`, which does the same and warns of its own matrix's format.
    model = ItemItemRecommender(K=_NEIGHBOURS + 1, num_threads=1)
    model.fit(normalize(counts.T).T.tocsr(), show_progress=False)
    return sp.csr_matrix(model.similarity)
