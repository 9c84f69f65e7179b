from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.assignee.coded_log import CodedLog
from pipelines.learning.assignee.pairs import Pairs
from pipelines.learning.assignee.ranker import Ranker, _scale, fit_ranker
from pipelines.learning.assignee.ranking import ranking_metrics, ranks
from tests.learning.assignee.office import sides


@pytest.fixture(scope="module")
def later(pairs: Pairs) -> Pairs:
    return pairs.where(np.arange(len(pairs.size)) >= 200)


def test_it_learns_who_is_on_duty_and_who_checks_what(ranker: Ranker, later: Pairs) -> None:
    learned = ranking_metrics(ranks(later, ranker.scores(later.matrix)))
    frequent = ranking_metrics(ranks(later, later.column("took_over_all_180d_ratio").astype(float)))
    assert learned["recall_at_1"] > 0.7
    assert frequent["recall_at_1"] < 0.5
    assert ranker.facts["fit_question_count"] < 170  # of 200, and those answered too late
    assert ranker.facts["validation_question_count"] == 30


def test_scores_are_scaled_to_logs_of_shares() -> None:
    # The first candidate is one point ahead, and right four times in five: odds of 4.
    pairs = Pairs(
        names=["x"],
        matrix=np.zeros((11, 1), dtype=np.float32),
        candidate=np.array([*[1, 2] * 5, 1]),
        size=np.array([2, 2, 2, 0, 2, 2, 1]),
        position=np.arange(7),
        truth=np.array([1, 1, 1, 1, 1, 2, 2]),
    )
    scores = np.array([*[5.0, 4.0] * 5, 3.0])
    assert _scale(pairs, scores) == pytest.approx(np.log(4), abs=1e-3)


def test_it_comes_back_from_its_files_as_it_was(
    ranker: Ranker, later: Pairs, tmp_path: Path
) -> None:
    ranker.save(tmp_path)
    loaded = Ranker.load(tmp_path)
    np.testing.assert_array_equal(loaded.scores(later.matrix), ranker.scores(later.matrix))
    assert loaded.names == ranker.names
    (tmp_path / "ranker_1.txt").write_text("nothing")
    with pytest.raises(TrainingError, match="cannot be read"):
        Ranker.load(tmp_path)
    with pytest.raises(TrainingError, match=r"No such file or directory: '.*spec\.json"):
        Ranker.load(tmp_path / "elsewhere")


def test_the_same_seed_gives_the_same_ranker(
    log: CodedLog, pairs: Pairs, ranker: Ranker, later: Pairs
) -> None:
    train = pairs.where(np.arange(len(pairs.size)) < 200)
    again = fit_ranker(train, *sides(log, train), seed=3)
    np.testing.assert_array_equal(again.scores(later.matrix), ranker.scores(later.matrix))
    other = fit_ranker(train, *sides(log, train), seed=4)
    assert not np.array_equal(other.scores(later.matrix), ranker.scores(later.matrix))


def test_no_question_is_learned_from_before_its_answer(log: CodedLog, pairs: Pairs) -> None:
    fit, validation = sides(log, pairs)
    started_s = min(log.events[one].time_s for one in pairs.position[validation])
    assert log.next_time_s[pairs.position[fit]].max() < started_s
    left_out = ~fit & ~validation
    assert 0 < left_out.sum() < 10
    assert (log.next_time_s[pairs.position[left_out]] >= started_s).all()


def test_too_few_handovers_are_refused(pairs: Pairs) -> None:
    few = np.arange(len(pairs.size)) < 19
    with pytest.raises(TrainingError, match="19 handovers to learn from, at least 20"):
        fit_ranker(pairs, few, ~few)
