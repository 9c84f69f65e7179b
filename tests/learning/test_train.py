import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.contracts import WORKFLOW_MODELS, Model
from pipelines.errors import TrainingError
from pipelines.learning import delay_risk, remaining_time
from pipelines.learning.canvas import feature_label
from pipelines.learning.columns import WORKFLOW_ID
from pipelines.learning.evaluate import evaluate
from pipelines.learning.fit_encoder import fit_encoder
from pipelines.learning.holdout import held_out_examples, hold_out
from pipelines.learning.judge import judge
from pipelines.learning.late_limits import LateLimits
from pipelines.learning.predictor import EXPECTED, Predictor
from pipelines.learning.problem import Problem
from pipelines.learning.search import search
from pipelines.learning.split import Part
from pipelines.learning.train import train
from pipelines.learning.trained import TrainedModel
from pipelines.learning.training_set import TrainingSet, judged_rows, rows_of
from tests.learning.history import make_training_set


def test_no_workflow_stands_on_both_sides(training_set: TrainingSet) -> None:
    sides = training_set.frame.groupby(WORKFLOW_ID)["part"].nunique()
    assert sides.eq(1).all()
    train_rows = rows_of(training_set.frame, Part.TRAIN)
    ends = train_rows["as_of"] + pd.to_timedelta(train_rows["remaining_time_s"], unit="s")
    assert ends.max() < training_set.split.test_start


def test_both_models_beat_their_baselines(trained: dict[Model, TrainedModel]) -> None:
    duration, risk = trained[Model.REMAINING_TIME], trained[Model.DELAY_RISK]
    assert duration.beats_baseline
    best = min(of["mae_hours"] or 0 for of in duration.baseline_metrics.values())
    assert (duration.metrics["mae_hours"] or 0) < 0.6 * best
    assert risk.beats_baseline
    assert (risk.metrics["auc"] or 0) > 0.85
    assert 0.6 < (duration.metrics["coverage_p10_p90_ratio"] or 0) < 0.97


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (Model.REMAINING_TIME, remaining_time.PROBLEM),
        (Model.DELAY_RISK, delay_risk.PROBLEM),
    ],
)
def test_rows_that_stand_for_others_choose(
    model: Model,
    problem: Problem,
    training_set: TrainingSet,
) -> None:
    rows = rows_of(training_set.frame, Part.TRAIN)
    held = hold_out(rows)
    assert np.ptp(held.weight[held.validation]) > 0
    if model is Model.REMAINING_TIME:
        target = remaining_time.to_target(rows["remaining_time_s"])
    else:
        target = delay_risk.to_target(rows["is_late"])
    examples = held_out_examples(rows, fit_encoder(rows), target)
    trials = search(examples.searching, problem, 2, 7).trials
    target = target[held.validation]
    for trial in trials:
        weighted, plain = (
            problem.loss(trial.validation_raw, target, weight)
            for weight in (held.weight[held.validation], np.ones(len(target)))
        )
        assert trial.validation_loss == pytest.approx(weighted)
        assert trial.validation_loss != pytest.approx(plain)


LIMITS = LateLimits(usual_s=86_400.0, by_template_s={}, is_told_at_closing=False)


def _texts(predictor: Predictor) -> dict[str, list[str]]:
    return {
        name: [one.booster.model_to_string() for one in score.members]
        for name, score in predictor.scores.items()
    }


@pytest.mark.parametrize("model", WORKFLOW_MODELS)
def test_the_same_set_gives_the_same_model(
    model: Model, trained: dict[Model, TrainedModel], training_set: TrainingSet
) -> None:
    again = train(model, training_set, seed=7, trial_count=7)
    assert again.metrics == trained[model].metrics
    assert _texts(again.predictor) == _texts(trained[model].predictor)


@pytest.mark.parametrize("model", WORKFLOW_MODELS)
def test_the_test_rows_do_not_move_the_model(
    model: Model, trained: dict[Model, TrainedModel], training_set: TrainingSet
) -> None:
    frame = training_set.frame
    is_test = frame["part"] == Part.TEST.value
    changed = frame.assign(
        remaining_time_s=frame["remaining_time_s"].where(~is_test, 1.0),
        is_late=frame["is_late"].where(~is_test, other=True),
        team_load__open_task_count=frame["team_load__open_task_count"].where(~is_test, 10_000),
        workflow_progress__last_activity=frame["workflow_progress__last_activity"].where(
            ~is_test, "new"
        ),
    )
    other = TrainingSet(changed, training_set.split, training_set.late_rule, 0, 0)
    again = train(model, other, seed=7, trial_count=7).predictor
    assert again.encoder == trained[model].predictor.encoder
    assert again.fitted == trained[model].predictor.fitted
    assert _texts(again) == _texts(trained[model].predictor)


@pytest.mark.parametrize(
    ("model", "limits"),
    [(Model.REMAINING_TIME, None), (Model.DELAY_RISK, None), (Model.DELAY_RISK, LIMITS)],
)
def test_a_saved_model_answers_as_before(
    model: Model,
    limits: LateLimits | None,
    trained: dict[Model, TrainedModel],
    training_set: TrainingSet,
    tmp_path: Path,
) -> None:
    predictor = trained[model].predictor
    if limits is not None:
        predictor = replace(predictor, late_limits=limits)
    frame = training_set.frame.tail(50)
    predictor.save(tmp_path)
    loaded = Predictor.load(tmp_path)

    pd.testing.assert_frame_equal(loaded.predict(frame), predictor.predict(frame))
    pd.testing.assert_frame_equal(loaded.contributions(frame), predictor.contributions(frame))
    assert loaded.facts == predictor.facts
    assert loaded.late_limits == limits
    assert loaded.input_columns == predictor.input_columns
    assert {p.suffix for p in tmp_path.iterdir()} <= {".txt", ".npy", ".json"}


@pytest.mark.parametrize("count", [1, 3, 15])
@pytest.mark.parametrize("model", WORKFLOW_MODELS)
def test_few_rows_are_answered_as_many_are(
    model: Model, count: int, trained: dict[Model, TrainedModel], training_set: TrainingSet
) -> None:
    predictor = trained[model].predictor
    frame = training_set.frame.tail(20)
    predicted, explained = predictor.predict(frame), predictor.contributions(frame)
    rows = frame.to_dict("records")
    for first in range(len(rows)):
        some = slice(first, first + count)
        few = pd.DataFrame(predictor.predict_rows(rows[some]), index=frame.index[some])
        pd.testing.assert_frame_equal(few, predicted.iloc[some], check_exact=True)
        same, shares = predictor.explained_rows(rows[some])
        pd.testing.assert_frame_equal(pd.DataFrame(same, few.index), few, check_exact=True)
        np.testing.assert_array_equal(shares, explained.iloc[some, :-1].to_numpy())


def test_contributions_add_up_to_the_prediction(
    trained: dict[Model, TrainedModel], training_set: TrainingSet
) -> None:
    frame = training_set.frame.tail(50)
    duration = trained[Model.REMAINING_TIME].predictor
    hours = duration.predict(frame)["remaining_time_s"] / 3600
    parts = duration.contributions(frame)
    assert "workflow_progress__workflow_attributes.kind" in parts.columns
    np.testing.assert_allclose(parts.sum(axis=1), np.log1p(hours), atol=1e-6)

    risk = trained[Model.DELAY_RISK].predictor
    probability = risk.predict(frame)["late_probability"]
    log_odds = np.log(probability / (1 - probability))
    np.testing.assert_allclose(risk.contributions(frame).sum(axis=1), log_odds, atol=1e-6)
    assert EXPECTED in risk.contributions(frame).columns


def test_the_interval_is_ordered_and_never_negative(
    trained: dict[Model, TrainedModel], training_set: TrainingSet
) -> None:
    answers = trained[Model.REMAINING_TIME].predictor.predict(training_set.frame)
    low, middle, high = (
        answers[f"remaining_time_s{end}"].to_numpy() for end in ("_p10", "", "_p90")
    )
    assert (low >= 0).all()
    assert (low <= middle).all()
    assert (middle <= high).all()


def test_cold_values_get_an_answer(trained: dict[Model, TrainedModel]) -> None:
    sample = trained[Model.DELAY_RISK].sample_input.iloc[0].to_dict()
    cold = dict.fromkeys(sample) | {"as_of": sample["as_of"]}
    answer = trained[Model.DELAY_RISK].predictor.predict_rows([cold])
    assert 0 <= answer["late_probability"][0] <= 1


def test_a_folder_that_is_no_model_is_refused(
    trained: dict[Model, TrainedModel], tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"spec\.json is missing"):
        Predictor.load(tmp_path)
    trained[Model.DELAY_RISK].predictor.save(tmp_path)
    path = tmp_path / "spec.json"
    spec = json.loads(path.read_text())
    path.write_text(json.dumps(spec | {"spec_version": 99}))
    with pytest.raises(TrainingError, match="spec version 99"):
        Predictor.load(tmp_path)
    path.write_text(json.dumps(spec))
    (tmp_path / "late-0.txt").unlink()
    with pytest.raises(TrainingError, match=r"lacks .*late-0\.txt"):
        Predictor.load(tmp_path)


def test_the_card_shows_the_model_beside_its_baselines(
    trained: dict[Model, TrainedModel],
) -> None:
    model = trained[Model.REMAINING_TIME]
    lines = model.card.splitlines()
    (row,) = [line for line in lines if line.startswith("| mae_hours")]
    assert f"{model.metrics['mae_hours']:.2f}" in row
    assert f"{model.baseline_metrics['median']['mae_hours']:.2f}" in row
    assert "must not answer" not in model.card
    assert "Late means: closed after its due date." in trained[Model.DELAY_RISK].card


@pytest.mark.parametrize("model", WORKFLOW_MODELS)
def test_every_figure_can_be_drawn(
    model: Model, trained: dict[Model, TrainedModel], tmp_path: Path
) -> None:
    for name, figure in trained[model].figures.items():
        figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
        (axes, *_) = figure.axes
        assert axes.get_xlabel()
        assert axes.get_title(loc="left").strip()


def test_two_models_are_judged_on_the_same_rows(
    trained: dict[Model, TrainedModel], training_set: TrainingSet
) -> None:
    predictor = trained[Model.REMAINING_TIME].predictor
    first = judge(Model.REMAINING_TIME, predictor, None, training_set.frame)
    assert first.decision.promote
    same = judge(Model.REMAINING_TIME, predictor, predictor, training_set.frame)
    assert not same.decision.promote  # a tie keeps the champion
    assert same.challenger == same.champion == trained[Model.REMAINING_TIME].metrics

    unreadable = judge(
        Model.REMAINING_TIME,
        predictor,
        train(Model.REMAINING_TIME, _renamed(make_training_set()), seed=7, trial_count=1).predictor,
        training_set.frame,
    )
    assert unreadable.decision.promote
    assert "lack the columns backlog" in unreadable.decision.reason


def _renamed(training_set: TrainingSet) -> TrainingSet:
    frame = training_set.frame.rename(columns={"team_load__open_task_count": "backlog"})
    return TrainingSet(frame, training_set.split, training_set.late_rule, 0, 0)


def test_what_is_overdue_already_is_learned_from_but_not_judged(
    trained: dict[Model, TrainedModel], training_set: TrainingSet
) -> None:
    frame = training_set.frame
    is_test = frame["part"] == Part.TEST.value
    is_overdue = frame["slack_s"] < 0
    overdue = TrainingSet(
        frame.assign(is_overdue=is_overdue), training_set.split, "due_date", 0, 0, LIMITS
    )
    count = int((is_test & is_overdue).sum())
    assert 20 < count < 0.5 * is_test.sum()
    assert len(judged_rows(overdue.frame)) == is_test.sum() - count
    model = train(Model.DELAY_RISK, overdue, seed=7, trial_count=7)
    before = trained[Model.DELAY_RISK]
    assert _texts(model.predictor) == _texts(before.predictor)
    assert model.predictor.facts["test_row_count"] == is_test.sum() - count
    assert (model.metrics["late_ratio"] or 0) < (before.metrics["late_ratio"] or 0)
    assert evaluate(model.predictor, overdue.frame) == model.metrics
    said, learned = (one.predictor.predict(frame) for one in (model, before))
    assert (said.loc[is_overdue, "late_probability"] == 1).all()
    assert (learned.loc[is_overdue, "late_probability"] < 1).any()
    pd.testing.assert_frame_equal(
        said.loc[~is_overdue, ["late_probability"]], learned.loc[~is_overdue]
    )
    np.testing.assert_array_equal(said["overdue_s"], -frame["slack_s"].clip(upper=0))
    everything = overdue.frame.assign(is_overdue=True)
    with pytest.raises(TrainingError, match="overdue already"):
        judged_rows(everything)


def test_outcomes_of_one_class_train_a_model_that_is_not_good_enough(
    training_set: TrainingSet,
) -> None:
    frame = training_set.frame.assign(is_late=False)
    never = TrainingSet(frame, training_set.split, training_set.late_rule, 0, 0)
    model = train(Model.DELAY_RISK, never, seed=7, trial_count=2)
    assert model.metrics["auc"] is None
    assert not model.beats_baseline
    assert "must not answer" in model.card
    assert evaluate(model.predictor, frame) == model.metrics


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("workflow_progress__last_activity", "last activity"),
        ("team_load__open_task_count", "open task count (team)"),
        ("workflow_progress__task_attributes.u_impact", "u_impact (task attribute)"),
        ("elapsed_now_s", "elapsed now"),
    ],
)
def test_features_have_names_for_people(name: str, label: str) -> None:
    assert feature_label(name) == label
