"""Measure who is recommended for the test tasks, beside simple answers to the same questions."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.learning.assignee.coded_log import Mask, Values
from pipelines.learning.assignee.pairs import Pairs
from pipelines.learning.assignee.ranker import Ranker
from pipelines.learning.assignee.ranking import (
    first_choices,
    load_metrics,
    ranking_metrics,
    ranks,
)
from pipelines.learning.assignee.task_baselines import baseline_scores
from pipelines.learning.assignee.task_log import TaskLog, code_tasks
from pipelines.learning.assignee.task_pairs import make_task_pairs
from pipelines.learning.columns import PART, require_columns
from pipelines.learning.metrics import LEAST_OF_SEGMENT, Metrics
from pipelines.learning.split import Part


@dataclass(frozen=True)
class Takings:
    """The frame of a training set in order of place, in codes, and its sides."""

    frame: pd.DataFrame
    tasks: TaskLog
    is_train: Mask
    is_test: Mask


def read_takings(frame: pd.DataFrame) -> Takings:
    """Code a training set's frame: `task_takings`, each with its `part`.

    Raises:
        TrainingError: a column or a value is missing.
    """
    require_columns(frame, [PART, "place"], "takings")
    ordered = frame.sort_values("place", ignore_index=True)
    part = ordered[PART].to_numpy()
    return Takings(ordered, code_tasks(ordered), part == Part.TRAIN, part == Part.TEST)


def evaluate(ranker: Ranker, frame: pd.DataFrame) -> Metrics:
    """Measure a ranker on the test tasks of a training set's frame.

    Raises:
        TrainingError: the ranker reads a feature there is not, or there are no test tasks.
    """
    takings = read_takings(frame)
    test = make_task_pairs(takings.tasks, takings.is_test)
    return measure(test, ranker.scores_of(test))


def baselines(frame: pd.DataFrame) -> dict[str, Metrics]:
    """Measure simple answers, counted on the training tasks, on the test tasks.

    Raises:
        TrainingError: there are no test tasks.
    """
    takings = read_takings(frame)
    test = make_task_pairs(takings.tasks, takings.is_test)
    scores = baseline_scores(takings.frame, takings.tasks, takings.is_train, test)
    return {name: measure(test, one) for name, one in scores.items()}


def measure(pairs: Pairs, scores: Values) -> Metrics:
    """Measure a ranking: where the taker stood, and whom the first choices would load.

    `candidate_recall` is the share of takers who were among the candidates at all.
    """
    chosen, staff = first_choices(pairs, scores), np.unique(pairs.candidate)
    return {
        **ranking_metrics(ranks(pairs, scores)),
        "candidate_recall": float(pairs.label.sum() / len(pairs.size)),
        **load_metrics(chosen, staff),
    }


def by_activity(
    tasks: TaskLog, pairs: Pairs, model: Values, baseline: Values, name: str
) -> pd.DataFrame:
    """Measure each activity of at least 30 tasks beside a baseline, the commonest first.

    Args:
        tasks: which the pairs ask about.
        pairs: questions with their candidates.
        model: scores of the pairs.
        baseline: likewise.
        name: the baseline's.

    Returns:
        segment, row_count, mrr, recall_at_1, recall_at_3, and the baseline's mrr.
    """
    activity = np.array([tasks.asked[row].activity for row in pairs.position])
    found, simple = ranks(pairs, model), ranks(pairs, baseline)
    rows = []
    for code in np.unique(activity):
        here = activity == code
        metrics = ranking_metrics(found[here])
        row: dict[str, str | int | float] = {
            "segment": tasks.log.activities[code],
            "row_count": int(here.sum()),
            **{key: metrics[key] for key in ("mrr", "recall_at_1", "recall_at_3")},
            f"mrr_of_{name}": ranking_metrics(simple[here])["mrr"],
        }
        rows.append(row)
    table = pd.DataFrame(rows)
    return table[table["row_count"] >= LEAST_OF_SEGMENT].sort_values(
        ["row_count", "segment"], ascending=[False, True], ignore_index=True
    )
