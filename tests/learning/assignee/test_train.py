from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.contracts import Model
from pipelines.errors import TrainingError
from pipelines.learning.assignee.evaluate import by_activity
from pipelines.learning.assignee.pairs import Pairs
from pipelines.learning.assignee.takings import task_takings
from pipelines.learning.assignee.task_baselines import baseline_scores, present_people
from pipelines.learning.assignee.task_log import code_tasks
from pipelines.learning.assignee.task_pairs import make_task_pairs
from pipelines.learning.assignee.train import train
from pipelines.learning.judge import judge
from pipelines.learning.methods import METHODS
from pipelines.learning.split import split_by_time
from pipelines.learning.trained import TrainedModel
from pipelines.learning.training_set import TrainingSet
from tests.learning.assignee.company import (
    company_tables,
    number_events,
    task_event,
    workflow_row,
)

METHOD = METHODS[Model.ASSIGNEE]


@pytest.fixture(scope="module")
def training_set() -> TrainingSet:
    events, workflows, closures = company_tables()
    split = split_by_time(workflows, closures, 0.25)
    return TrainingSet(task_takings(events, workflows, split), split)


@pytest.fixture(scope="module")
def trained(training_set: TrainingSet) -> TrainedModel:
    return METHOD.train(training_set, seed=3, trial_count=2)


def test_it_learns_to_give_tasks_to_the_one_with_fewer(trained: TrainedModel) -> None:
    simple = trained.baseline_metrics["most_frequent_for_activity"]
    assert trained.metrics["recall_at_1"] > 0.75
    assert trained.metrics["recall_at_1"] > simple["recall_at_1"] + 0.1
    assert trained.beats_baseline
    assert set(trained.baseline_metrics) == {
        "most_frequent",
        "most_frequent_for_activity",
        "n_gram",
        "last_on_activity",
    }
    assert trained.metrics["candidate_recall"] == 1


def test_what_is_kept_says_what_was_done(trained: TrainedModel, training_set: TrainingSet) -> None:
    facts = trained.predictor.facts
    assert facts["test_row_count"] == len(trained.test_predictions) == 120
    assert facts["choice"]["boosting_rounds"].count(",") == 1  # two settings were tried
    assert trained.validation_metrics["mrr"] == facts["choice"]["validation_mrr"]
    assert "| most_frequent_for_activity |" in trained.card
    assert "by their silence" in trained.card
    assert set(trained.figures) == {"taker_found", "gain"}
    assert set(trained.segments["activity"]["segment"]) == {"register", "assess", "pay"}
    assert trained.segments["activity"]["row_count"].tolist() == [40, 40, 40]
    answers = trained.test_predictions
    is_first = (answers["actual"] == answers["proposed"]).mean()
    assert is_first == pytest.approx(trained.metrics["recall_at_1"])
    assert len(training_set.frame) == 480


def test_it_answers_the_same_from_its_files(
    trained: TrainedModel, training_set: TrainingSet, tmp_path: Path
) -> None:
    trained.predictor.save(tmp_path)
    loaded = METHOD.load(tmp_path)
    assert METHOD.evaluate(loaded, training_set.frame) == trained.metrics
    assert METHOD.baselines(training_set.frame) == trained.baseline_metrics
    rows = trained.sample_input
    pd.testing.assert_frame_equal(loaded.predict(rows), trained.predictor.predict(rows))
    with pytest.raises(TrainingError, match="lack the columns held_task_count"):
        loaded.predict(rows.drop(columns="held_task_count"))
    assert loaded.facts == trained.predictor.facts


def test_the_judge_compares_two_rankers(trained: TrainedModel, training_set: TrainingSet) -> None:
    alone = judge(Model.ASSIGNEE, trained.predictor, None, training_set.frame)
    assert alone.decision.promote
    worse = METHOD.train(training_set, seed=5, trial_count=1).predictor
    other = replace(worse, names=["never", *worse.names[1:]])
    unreadable = judge(Model.ASSIGNEE, trained.predictor, other, training_set.frame)
    assert "reads features that there are not: never" in unreadable.decision.reason
    same = judge(Model.ASSIGNEE, trained.predictor, trained.predictor, training_set.frame)
    assert not same.decision.promote


def test_the_same_seed_gives_the_same_model(
    trained: TrainedModel, training_set: TrainingSet
) -> None:
    again = METHOD.train(training_set, seed=3, trial_count=2)
    pd.testing.assert_frame_equal(again.test_predictions, trained.test_predictions)
    assert again.metrics == trained.metrics


def test_too_little_to_learn_from_is_refused(training_set: TrainingSet) -> None:
    frame = training_set.frame
    is_kept = (frame["part"] == "test") | (frame["place"] < 100)
    few = replace(training_set, frame=frame[is_kept])
    with pytest.raises(TrainingError, match="tasks were taken by someone before the later period"):
        train(few, seed=0, trial_count=1)


def test_no_task_taken_in_the_later_period_is_learned_from(training_set: TrainingSet) -> None:
    frame, split = training_set.frame, training_set.split
    moment = frame["as_of"][250]
    earlier = replace(training_set, split=replace(split, test_start=moment))
    found = train(earlier, seed=0, trial_count=1).params["question_count"]
    is_before = (frame["part"] == "train") & (frame["as_of"] < moment)
    assert found == is_before.sum() - 1  # nobody is known when the first is asked about


def test_baselines_count_the_training_tasks() -> None:
    people = [("a", "open", "ann"), ("a", "pay", "bob"), ("b", "open", "ann"), ("b", "pay", "cem")]
    people += [("c", "open", "bob"), ("c", "pay", "cem"), ("d", "open", "ann"), ("d", "pay", "bob")]
    events = [
        task_event(workflow_id, f"t{number}", activity, None, "completed", person_id, number)
        for number, (workflow_id, activity, person_id) in enumerate(people)
    ]
    workflows = pd.DataFrame([workflow_row(one, 0) for one in "abcd"])
    frame = task_takings(number_events(events), workflows)
    tasks = code_tasks(frame)
    assert present_people(frame, tasks.person).tolist() == [-1, 0, -1, 0, -1, 1, -1, 0]
    last = np.arange(8) == 7
    pairs = make_task_pairs(tasks, last)
    scores = baseline_scores(frame, tasks, ~last, pairs)
    assert pairs.candidate.tolist() == [0, 1, 2]
    assert scores["most_frequent"].tolist() == [3, 2, 2]
    # Of payments bob did one and cem two; after ann, each of them one.
    assert scores["most_frequent_for_activity"].tolist() == [0.75, 1.5, 2.5]
    assert scores["n_gram"].tolist() == pytest.approx([0.75 / 3.5, 1 + 1.5 / 3.5, 1 + 2.5 / 3.5])
    assert scores["last_on_activity"].tolist() == [-1e12, -5 * 3_600, -3_600]
    assert by_activity(tasks, pairs, scores["n_gram"], scores["most_frequent"], "x").empty


def test_a_ranker_passes_over_features_it_did_not_know(trained: TrainedModel) -> None:
    ranker, rows = trained.predictor, trained.sample_input
    matrix = rows.to_numpy(dtype=np.float32)
    pairs = Pairs(
        names=["new", *rows.columns],
        matrix=np.column_stack([np.ones(len(rows), dtype=np.float32), matrix]),
        candidate=np.arange(len(rows)),
        size=np.array([len(rows)]),
        position=np.array([0]),
        truth=np.array([0]),
    )
    expected = ranker.predict(rows)["score"].to_numpy()
    np.testing.assert_array_equal(ranker.scores_of(pairs), expected)  # type: ignore[attr-defined]
