import numpy as np

from pipelines.learning.ranking import UNKNOWN, ranking_metrics, ranks

SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])


def test_equal_scores_rank_in_the_order_of_the_columns_and_the_unknown_has_no_rank() -> None:
    found = ranks(SCORES, np.array([2, 0, 1, UNKNOWN]))
    assert found.tolist() == [2, 1, 2, np.inf]
    assert (found == 1).tolist() == (SCORES.argmax(axis=1) == [2, 0, 1, UNKNOWN]).tolist()


def test_hits_and_mean_reciprocal_rank() -> None:
    found = np.array([1, 2, 4, np.inf])
    expected = {"hit_at_1": 0.25, "hit_at_3": 0.5, "hit_at_5": 0.75, "mrr": 1.75 / 4}
    assert ranking_metrics(found) == expected
