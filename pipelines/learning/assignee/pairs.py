"""Pairs of a handover and a candidate, each with what was known when the work changed hands."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipelines.errors import TrainingError
from pipelines.learning.assignee.candidates import MOST_CANDIDATES, eligible_people, nominate
from pipelines.learning.assignee.coded_log import CodedLog, Ints, Mask
from pipelines.learning.assignee.ledger import Ledger

Matrix = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]
_PROGRESS_EVERY = 2_000


@dataclass(frozen=True)
class Pairs:
    """One row per pair, those of one question together, questions in order of time.

    `size` is the number of candidates of each question, `position` its event's place in the
    coded log, `truth` who did take over. `matrix` has a row per pair and a column per name,
    NaN where nothing was known; `candidate` is the person's code.
    """

    names: list[str]
    matrix: Matrix = field(repr=False)
    candidate: Ints = field(repr=False)
    size: Ints = field(repr=False)
    position: Ints = field(repr=False)
    truth: Ints = field(repr=False)

    @property
    def question(self) -> Ints:
        """Number of the question that each pair belongs to."""
        return np.repeat(np.arange(len(self.size)), self.size)

    @property
    def label(self) -> npt.NDArray[np.int8]:
        """1 for the one who took over, 0 for the others."""
        is_truth: Mask = self.candidate == self.truth[self.question]
        return is_truth.astype(np.int8)

    def column(self, name: str) -> Matrix:
        """Return one feature of all pairs."""
        return self.matrix[:, self.names.index(name)]

    def where(self, questions: Mask) -> "Pairs":
        """Return some of the questions."""
        rows = questions[self.question]
        return Pairs(
            self.names,
            self.matrix[rows],
            self.candidate[rows],
            self.size[questions],
            self.position[questions],
            self.truth[questions],
        )


def make_pairs(
    log: CodedLog,
    asked: Mask,
    most_candidates: int = MOST_CANDIDATES,
    progress: Progress = lambda _done, _total: None,
) -> Pairs:
    """Replay a log and ask, right after some of its events, who goes on.

    The features of a question are computed before any later event is learned: there is no way
    from the future to them. Everyone met by then is a candidate, the present one is not.

    Args:
        log: events in order.
        asked: the events to ask after.
        most_candidates: see `nominate`.
        progress: told how many events were replayed, of how many.

    Raises:
        TrainingError: there is nothing to ask.
    """
    if not asked.any():
        raise TrainingError("No event to ask after: nobody hands work to anybody in this log.")
    ledger = Ledger()
    names: list[str] = []
    blocks, candidates = [], []
    for position, event in enumerate(log.events):
        ledger.learn(event)
        if position % _PROGRESS_EVERY == 0:
            progress(position, len(log.events))
        if not asked[position]:
            continue
        question = ledger.question(event.workflow, event.time_s)
        vectors = ledger.features(question)
        names = list(vectors)
        people = nominate(
            vectors, eligible_people(question.person_count, [event.person]), most_candidates
        )
        blocks.append(np.array([v[people] for v in vectors.values()], dtype=np.float32).T)
        candidates.append(people)
    positions = np.flatnonzero(asked)
    return Pairs(
        names=names,
        matrix=np.concatenate(blocks),
        candidate=np.concatenate(candidates),
        size=np.array([len(one) for one in candidates]),
        position=positions,
        truth=log.next_person[positions],
    )
