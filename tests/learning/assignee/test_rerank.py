import numpy as np
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.assignee.coded_log import NONE
from pipelines.learning.assignee.rerank import assign, may_take, share_load


def test_a_loaded_person_falls_behind_an_equal_one() -> None:
    scores, question = np.array([1.0, 1.0, 0.2, 0.1]), np.array([0, 0, 1, 1])
    held = np.array([7.0, 1.0, 0.0, 0.0])
    shared = share_load(scores, question, held, strength=1.0)
    np.testing.assert_allclose(shared, [1 - np.log(8 / 5), 1, 0.2, 0.1])
    np.testing.assert_array_equal(share_load(scores, question, held, strength=0.0), scores)


def test_capacity_is_respected_at_the_best_sum() -> None:
    scores = np.array([[9.0, 8.0], [9.0, 1.0], [7.0, 6.0]])
    everything = np.ones((3, 2), dtype=bool)
    assert assign(scores, everything, np.array([3, 3])).tolist() == [0, 0, 0]
    assert assign(scores, everything, np.array([1, 2])).tolist() == [1, 0, 1]
    assert assign(scores, everything, np.array([0, 2])).tolist() == [1, NONE, 1]
    assert assign(scores, everything, np.array([0, 0])).tolist() == [NONE] * 3


def test_more_tasks_go_before_better_people() -> None:
    scores = np.array([[1.0, 100.0], [-50.0, 99.0]])
    allowed = np.array([[True, True], [False, True]])
    assert assign(scores, allowed, np.array([1, 1])).tolist() == [0, 1]
    assert assign(scores, np.zeros((2, 2), dtype=bool), np.array([1, 1])).tolist() == [NONE] * 2


def test_skills_are_needed_and_the_excluded_left_out() -> None:
    allowed = may_take(
        required_skills=[{"audit"}, set(), {"audit", "law"}],
        excluded=[{"bob"}, {"ann"}, set()],
        people=["ann", "bob", "cem"],
        skills=[{"audit"}, {"audit", "law"}, set()],
    )
    expected = [[True, False, False], [False, True, True], [False, True, False]]
    assert allowed.tolist() == expected
    assert may_take([], [], ["ann"], [set()]).shape == (0, 1)


@pytest.mark.parametrize(
    ("allowed", "capacity", "message"),
    [
        (np.ones((1, 3), dtype=bool), np.array([1, 1]), "must be tasks x people"),
        (np.ones((1, 2), dtype=bool), np.array([1, -1]), "must not be negative"),
    ],
)
def test_what_makes_no_sense_is_refused(
    allowed: np.ndarray, capacity: np.ndarray, message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        assign(np.zeros((1, 2)), allowed, capacity)
