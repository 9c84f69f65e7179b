"""Pairs of a task that someone should take and a candidate, with what was known when asking."""

import numpy as np

from pipelines.errors import TrainingError
from pipelines.learning.assignee.candidates import eligible_people, nominate
from pipelines.learning.assignee.coded_log import Mask
from pipelines.learning.assignee.pairs import Pairs
from pipelines.learning.assignee.task_log import TaskLog

MOST_TASK_CANDIDATES = 30


def make_task_pairs(
    tasks: TaskLog, is_asked: Mask, most_candidates: int = MOST_TASK_CANDIDATES
) -> Pairs:
    """Replay the tasks and ask of some who will take them; everyone met so far is a candidate.

    In the pairs, `position` is the task's row in the log and `truth` who did take it.

    Raises:
        TrainingError: there is nothing to ask.
    """
    blocks, candidates, rows = [], [], []
    names: list[str] = []
    for asked in tasks.replay(is_asked):
        question = asked.ledger.task_question(asked.task)
        vectors = asked.ledger.features(question)
        people = nominate(vectors, eligible_people(question.person_count), most_candidates)
        names = names or list(vectors)
        blocks.append(np.array([v[people] for v in vectors.values()], dtype=np.float32).T)
        candidates.append(people)
        rows.append(asked.row)
    if not rows:
        raise TrainingError("No task to ask about: nobody took one after another was taken.")
    positions = np.array(rows, dtype=np.int64)
    return Pairs(
        names=names,
        matrix=np.concatenate(blocks),
        candidate=np.concatenate(candidates),
        size=np.array([len(one) for one in candidates]),
        position=positions,
        truth=tasks.person[positions],
    )
