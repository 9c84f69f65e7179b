"""Which handovers to learn from and to choose on: by when they were asked and answered."""

import numpy as np

from pipelines.learning.assignee.coded_log import CodedLog, Ints, Mask

VALIDATION_RATIO = 0.15
MOST_QUESTIONS = 10_000


def latest(log: CodedLog, may_train: Mask, most: int = MOST_QUESTIONS) -> Mask:
    """Return the latest handovers among some events: practice changes, and so does the staff."""
    positions = np.flatnonzero(log.is_handover & may_train)[-most:]
    mask = np.zeros(len(log.events), dtype=bool)
    mask[positions] = True
    return mask


def fit_and_validation(log: CodedLog, position: Ints) -> tuple[Mask, Mask]:
    """Split questions by time: the latest asked validate what was answered before the first.

    Args:
        log: events in order of time.
        position: the questions' events, in order of time.
    """
    start = int(len(position) * (1 - VALIDATION_RATIO))
    validation = np.arange(len(position)) >= start
    started_s = log.events[position[start]].time_s
    return ~validation & (log.next_time_s[position] < started_s), validation
