"""Which handovers to learn from and to choose on: by when they were asked and answered."""

import numpy as np

from pipelines.learning.assignee.coded_log import CodedLog, Mask, Values

VALIDATION_RATIO = 0.15
MOST_QUESTIONS = 10_000


def latest(log: CodedLog, may_train: Mask, most: int = MOST_QUESTIONS) -> Mask:
    """Return the latest handovers among some events: practice changes, and so does the staff."""
    positions = np.flatnonzero(log.is_handover & may_train)[-most:]
    mask = np.zeros(len(log.events), dtype=bool)
    mask[positions] = True
    return mask


def fit_and_validation(asked_s: Values, answered_s: Values) -> tuple[Mask, Mask]:
    """Split questions by time: the latest asked validate what was answered before the first.

    Args:
        asked_s: when each question was asked, in order.
        answered_s: when it was answered.
    """
    start = int(len(asked_s) * (1 - VALIDATION_RATIO))
    validation = np.arange(len(asked_s)) >= start
    return ~validation & (answered_s < asked_s[start]), validation
