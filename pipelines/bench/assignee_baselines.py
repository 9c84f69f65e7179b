"""Simple rankings of who takes over, on the same candidates as the learner's."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

import numpy as np

from pipelines.learning.assignee.baselines import Situation, back_off, by_column
from pipelines.learning.assignee.coded_log import NONE, CodedLog, Ints, Mask, Values
from pipelines.learning.assignee.pairs import Pairs

Score = Callable[[CodedLog, Mask, Pairs], Values]

N_GRAM: Final = "n-gram: activity, present and previous person"


def most_frequent(log: CodedLog, train: Mask, pairs: Pairs) -> Values:
    """Rank by how often someone took over in the training handovers."""
    return _back_off(log, train, pairs, longest=0)


def n_gram(log: CodedLog, train: Mask, pairs: Pairs) -> Values:
    """Rank by how often someone took over in the strictest situation, backing off to looser ones.

    Situations: present person, activity and previous person; the first two; the person; all.
    """
    return _back_off(log, train, pairs, longest=3)


def _back_off(log: CodedLog, train: Mask, pairs: Pairs, longest: int) -> Values:
    previous = _previous_person(log)

    def situations(positions: Ints) -> Iterable[list[Situation]]:
        for position in positions.tolist():
            event = log.events[position]
            strictest = (event.person, event.activity, int(previous[position]))
            yield [strictest[:length] for length in range(longest + 1)]

    handovers = np.flatnonzero(train)
    told = zip(situations(handovers), log.next_person[handovers].tolist(), strict=True)
    return back_off(told, situations(pairs.position), pairs, len(log.people))


def _previous_person(log: CodedLog) -> Ints:
    """Return who did the workflow's event before, NONE at its first."""
    last: dict[int, int] = {}
    previous = np.full(len(log.events), NONE)
    for position, event in enumerate(log.events):
        previous[position] = last.get(event.workflow, NONE)
        last[event.workflow] = event.person
    return previous


def _column(name: str, sign: float, _log: CodedLog, _train: Mask, pairs: Pairs) -> Values:
    return by_column(pairs, name, sign)


BASELINES: Final[dict[str, Score]] = {
    "most frequent": most_frequent,
    "last one on this activity": partial(_column, "since_activity_s", -1),
    "last one to take over after this activity": partial(
        _column, "since_taking_over_activity_s", -1
    ),
    N_GRAM: n_gram,
    "the same of the latest weeks, kept up to date": partial(
        _column, "took_over_people_30d_ratio", 1
    ),
}
