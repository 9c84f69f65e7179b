"""How good rankings are: where the one who took over stood, and whom they would load."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.learning import ranking
from pipelines.learning.assignee.coded_log import Ints, Values
from pipelines.learning.assignee.pairs import Pairs

TOP: Final = (1, 3, 5)


def ranks(pairs: Pairs, scores: Values) -> Values:
    """Return at which place the one who took over stands per question; infinity if not at all.

    Who has the same score counts as half before and half after: a score that says nothing
    gets the middle place, not the first. (`pipelines.learning.ranking.ranks`, of tables with a
    column per class, gives equal scores the order of the columns.)
    """
    question, is_truth = pairs.question, pairs.label == 1
    own = np.full(len(pairs.size), np.nan)
    own[question[is_truth]] = scores[is_truth]
    above = np.bincount(question, scores > own[question], minlength=len(pairs.size))
    equal = np.bincount(question, scores == own[question], minlength=len(pairs.size)) - 1
    return np.where(np.isnan(own), np.inf, 1 + above + equal / 2)


def ranking_metrics(found: Values, top: Sequence[int] = TOP) -> dict[str, float]:
    """Measure places of the right one: there is one per question.

    Recall at k is then the accuracy of the first k, precision at k its k-th part.
    """
    shared = ranking.ranking_metrics(found, top)
    metrics = {"mrr": shared["mrr"]}
    for k in top:
        gain = np.where(found <= k, 1 / np.log2(found + 1), 0.0)
        metrics |= {
            f"recall_at_{k}": shared[f"hit_at_{k}"],
            f"precision_at_{k}": shared[f"hit_at_{k}"] / k,
            f"ndcg_at_{k}": float(gain.mean()),
        }
    return metrics


def first_choices(pairs: Pairs, scores: Values) -> Ints:
    """Return whom each question's ranking proposes first; of equal scores the lowest code."""
    frame = pd.DataFrame({"question": pairs.question, "score": scores, "who": pairs.candidate})
    ordered = frame.sort_values(["question", "score", "who"], ascending=[True, False, True])
    first: Ints = ordered.groupby("question")["who"].first().to_numpy(dtype=np.int64)
    return first


def load_metrics(chosen: Ints, staff: Ints) -> dict[str, float]:
    """Measure how the first choices spread over the staff.

    Args:
        chosen: code of the person per question.
        staff: codes of everyone who was a candidate at all.
    """
    loads = np.array([np.sum(chosen == person) for person in staff], dtype=np.float64)
    return {
        "staff_coverage_ratio": float((loads > 0).mean()),
        "load_gini": gini(loads),
    }


def gini(loads: npt.NDArray[np.float64]) -> float:
    """Return the Gini coefficient of loads: 0 if all are equal, near 1 if one has them all."""
    ordered = np.sort(loads)
    total = ordered.sum()
    if total == 0:
        return 0.0
    place = np.arange(1, len(ordered) + 1)
    return float((2 * place - len(ordered) - 1) @ ordered / (len(ordered) * total))
