from pathlib import Path

import numpy as np
import pytest

from pipelines.learning.next_activity.ngram import NGram

# Activities 0 and 1, 2 for none: the last one first. Followers 0, 1 or 2.
CONTEXTS = np.array([[0, 2], [0, 2], [0, 1], [1, 0], [1, 0]])
FOLLOWED = np.array([1, 1, 2, 0, 0])


def test_shares_are_drawn_towards_those_of_shorter_contexts() -> None:
    ngram = NGram.fit(CONTEXTS, FOLLOWED, 3, 4)
    # By hand: nothing known, 1/3 each; no context, counts 2, 2, 1 of three kinds.
    anything = (np.array([2, 2, 1]) + 3 / 3) / 8
    after_0 = (np.array([0, 2, 1]) + 2 * anything) / 5
    after_0_first = (np.array([0, 2, 0]) + after_0) / 3
    found = ngram.probabilities(np.array([[0, 2], [0, 3], [3, 3]]))
    np.testing.assert_allclose(found, [after_0_first, after_0, anything])


def test_a_tiny_weight_is_back_off() -> None:
    ngram = NGram.fit(CONTEXTS, FOLLOWED, 3, 4, lower_weight=1e-9)
    found = ngram.probabilities(np.array([[0, 2], [0, 3], [1, 3]]))
    np.testing.assert_allclose(found, [[0, 1, 0], [0, 2 / 3, 1 / 3], [1, 0, 0]], atol=1e-8)


def test_too_many_activities_for_a_long_context_shorten_it() -> None:
    contexts = np.zeros((4, 5), dtype=np.int64)
    assert len(NGram.fit(contexts, np.array([0, 1, 1, 1]), 2, 2**20).levels) == 4


@pytest.mark.parametrize("lower_weight", [None, 0.5])
def test_what_is_saved_answers_the_same(tmp_path: Path, lower_weight: float | None) -> None:
    ngram = NGram.fit(CONTEXTS, FOLLOWED, 3, 4, lower_weight)
    loaded = NGram.load(tmp_path, ngram.save(tmp_path))
    np.testing.assert_array_equal(loaded.probabilities(CONTEXTS), ngram.probabilities(CONTEXTS))


def test_many_contexts_are_answered_as_each_is_by_counting() -> None:
    rng = np.random.default_rng(0)
    contexts, followed = rng.integers(0, 4, (400, 3)), rng.integers(0, 6, 400)
    ngram = NGram.fit(contexts, followed, 6, 6)
    asked = rng.integers(0, 6, (200, 3))
    for context, found in zip(asked, ngram.probabilities(asked), strict=True):
        expected = np.full(6, 1 / 6)
        for length in range(4):
            same = (contexts[:, :length] == context[:length]).all(axis=1)
            counts = np.bincount(followed[same], minlength=6)
            kinds = (counts > 0).sum()
            if kinds:
                expected = (counts + kinds * expected) / (counts.sum() + kinds)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        np.testing.assert_array_equal(ngram.probabilities(context[np.newaxis])[0], found)
