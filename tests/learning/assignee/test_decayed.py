import numpy as np
import pytest

from pipelines.learning.assignee.decayed import DecayedCounts, LastTimes


def test_counts_halve_with_every_half_life() -> None:
    counts = DecayedCounts((10.0, 20.0))
    counts.add("desk", 2, 0)
    counts.add("desk", 0, 20)
    np.testing.assert_allclose(counts.at("desk", 20, 3), [[1, 0, 0.25], [1, 0, 0.5]])
    np.testing.assert_allclose(counts.at("desk", 40, 3), [[0.25, 0, 0.0625], [0.5, 0, 0.25]])
    counts.add("desk", 2, 40)
    np.testing.assert_allclose(counts.at("desk", 40, 3)[0], [0.25, 0, 1.0625])


def test_a_context_never_met_has_no_counts_and_asking_changes_none() -> None:
    counts = DecayedCounts((10.0,))
    counts.add("desk", 0, 0)
    np.testing.assert_array_equal(counts.at("cellar", 5, 2), [[0, 0]])
    np.testing.assert_array_equal(counts.at("desk", 10, 2), counts.at("desk", 10, 2))


def test_what_was_told_of_a_moment_is_told_again_until_something_is_added() -> None:
    counts = DecayedCounts((10.0,))
    counts.add("desk", 0, 0)
    told = counts.at("desk", 10, 2)
    assert counts.at("desk", 10, 2) is told
    with pytest.raises(ValueError, match="read-only"):
        told[0, 0] = 7
    np.testing.assert_array_equal(counts.at("desk", 10, 3), [[0.5, 0, 0]])
    np.testing.assert_array_equal(counts.at("desk", 20, 2), [[0.25, 0]])
    counts.add("desk", 1, 20)
    np.testing.assert_array_equal(counts.at("desk", 20, 2), [[0.25, 1]])


def test_last_times_are_told_as_ages() -> None:
    last = LastTimes()
    last.add("desk", 1, 4)
    last.add("desk", 1, 7)
    np.testing.assert_array_equal(last.since_s("desk", 10, 3), [np.nan, 3, np.nan])
    np.testing.assert_array_equal(last.since_s("cellar", 10, 2), [np.nan, np.nan])


def test_ages_told_of_a_moment_are_told_again_until_something_is_added() -> None:
    last = LastTimes()
    last.add("desk", 1, 4)
    told = last.since_s("desk", 10, 2)
    assert last.since_s("desk", 10, 2) is told
    with pytest.raises(ValueError, match="read-only"):
        told[0] = 7
    np.testing.assert_array_equal(last.since_s("desk", 10, 3), [np.nan, 6, np.nan])
    np.testing.assert_array_equal(last.since_s("desk", 11, 2), [np.nan, 7])
    last.add("desk", 0, 11)
    np.testing.assert_array_equal(last.since_s("desk", 11, 2), [0, 7])
