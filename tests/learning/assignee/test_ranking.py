import numpy as np
import pytest

from pipelines.learning.assignee.pairs import Pairs
from pipelines.learning.assignee.ranking import (
    first_choices,
    gini,
    load_metrics,
    ranking_metrics,
    ranks,
)


def two_questions(truth: list[int]) -> Pairs:
    return Pairs(
        names=["x"],
        matrix=np.zeros((5, 1), dtype=np.float32),
        candidate=np.array([0, 1, 2, 1, 2]),
        size=np.array([3, 2]),
        position=np.array([0, 1]),
        truth=np.array(truth),
    )


def test_ranks_with_ties_and_misses() -> None:
    scores = np.array([0.5, 0.9, 0.5, 1.0, 2.0])
    assert ranks(two_questions([1, 1]), scores).tolist() == [1, 2]
    assert ranks(two_questions([2, 0]), scores).tolist() == [2.5, np.inf]
    assert first_choices(two_questions([1, 1]), scores).tolist() == [1, 2]


def test_metrics_of_known_places() -> None:
    metrics = ranking_metrics(np.array([1, 3, np.inf, 6]), top=(1, 3))
    assert metrics["mrr"] == pytest.approx((1 + 1 / 3 + 1 / 6) / 4)
    assert metrics["recall_at_1"] == 0.25
    assert metrics["recall_at_3"] == 0.5
    assert metrics["precision_at_3"] == pytest.approx(0.5 / 3)
    assert metrics["ndcg_at_3"] == pytest.approx((1 + 0.5) / 4)


@pytest.mark.parametrize(
    ("loads", "expected"), [([3, 3, 3], 0), ([0, 0, 9], 2 / 3), ([0, 0], 0), ([1, 3], 0.25)]
)
def test_gini(loads: list[float], expected: float) -> None:
    assert gini(np.array(loads, dtype=float)) == pytest.approx(expected)


def test_load_counts_those_never_proposed() -> None:
    metrics = load_metrics(np.array([4, 4, 4]), np.array([2, 4, 5, 7]))
    assert metrics == {"staff_coverage_ratio": 0.25, "load_gini": 0.75}
