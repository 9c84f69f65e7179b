"""Candidates from content: people whose past work resembles what the workflow is about."""

from typing import Final

import numpy as np

from pipelines.learning.assignee.decayed import DecayedCounts, Values
from pipelines.learning.assignee.question import Question, Trace

_HALF_LIFE_S: Final = 90 * 86_400.0
_RECENT_ACTIVITIES: Final = 3
_PRIOR_COUNT: Final = 5.0
Token = tuple[int, int]  # a field's number and its value; 0 is the activity


class Content:
    """Profiles of people over what they worked on, as of a moment."""

    def __init__(self) -> None:
        self._counts = DecayedCounts((_HALF_LIFE_S,))

    def learn(self, trace: Trace) -> None:
        """Count what the last event of a workflow was about, for the one who did it."""
        for token in (None, *_tokens(trace)):
            self._counts.add(token, trace.people[-1], trace.times_s[-1])

    def score(self, question: Question) -> Values:
        """Return per person how much more often than others the person did such work.

        Mean of the logarithms; 0 is the average person. Naive Bayes with all people equally
        likely beforehand (McCallum and Nigam, 1998): experience counts, not volume.
        """
        now_s, size = question.now_s, question.person_count
        total = self._counts.at(None, now_s, size)[0]
        score = np.zeros(size)
        found = [self._counts.at(token, now_s, size)[0] for token in _tokens(question.trace)]
        # What nobody has met yet would only speak against those with much experience.
        known = [counts for counts in found if counts.any()]
        for counts in known:
            expected = (counts.sum() + 1) / (total.sum() + 2)
            own = (counts + _PRIOR_COUNT * expected) / (total + _PRIOR_COUNT)
            score += np.log(own / expected)
        return score / max(len(known), 1)


def _tokens(trace: Trace) -> list[Token]:
    recent = dict.fromkeys(trace.activities[-_RECENT_ACTIVITIES:])
    told = [(number, value) for number, value in enumerate(trace.context, 1) if value >= 0]
    return [*((0, activity) for activity in recent), *told]
