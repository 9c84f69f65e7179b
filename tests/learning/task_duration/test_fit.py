from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.boosting import TreeParams
from pipelines.learning.task_duration.features import task_features
from pipelines.learning.task_duration.fit import Fitted, fit_task_duration
from pipelines.learning.task_duration.model import TaskDurationModel
from pipelines.learning.task_duration.spans import Span, task_spans
from tests.learning.task_history import make_task_history

_NAME = Span.SERVICE.value
_PARAMS = TreeParams(max_rounds=80, learning_rate=0.1)


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    history = make_task_history(900)
    return task_features(
        task_spans(history.tasks, history.events, Span.SERVICE), history.events
    ).sort_values("as_of", ignore_index=True)


def fit(features: pd.DataFrame, *, trial_count: int = 1, seed: int = 3, **weights: Any) -> Fitted:
    known = features[:1_800]
    place = np.arange(len(known))
    return fit_task_duration(
        known,
        place < 1_200,
        place >= 1_200,
        Span.SERVICE,
        trial_count=trial_count,
        params=_PARAMS,
        seed=seed,
        **weights,
    )


def _texts(model: TaskDurationModel) -> dict[str, list[str]]:
    return {
        name: [one.booster.model_to_string() for one in blend.members]
        for name, blend in model.blends.items()
    }


def _columns(features: pd.DataFrame) -> dict[str, list[Any]]:
    return {str(name): features[name].astype(object).tolist() for name in features}


@pytest.fixture(scope="module")
def fitted(features: pd.DataFrame) -> Fitted:
    return fit(features)


@pytest.mark.parametrize("count", [1, 20, 200])
def test_columns_are_answered_as_a_frame_is(
    fitted: Fitted, features: pd.DataFrame, count: int
) -> None:
    later = features[1_800 : 1_800 + count]
    expected = fitted.model.predict(later).reset_index(drop=True)
    answers = pd.DataFrame(fitted.model.predict_columns(_columns(later)))
    pd.testing.assert_frame_equal(answers, expected, check_exact=True)
    assert list(fitted.model.predict_columns(_columns(later[:0]))) == list(expected.columns)


def test_an_interval_is_the_same_without_the_others(fitted: Fitted, features: pd.DataFrame) -> None:
    columns = _columns(features[1_800:1_820])
    whole = fitted.model.predict_columns(columns)
    for intervals in ([], ["80"]):
        some = fitted.model.predict_columns(columns, intervals)
        ends = [f"{_NAME}_{end}{name}" for name in intervals for end in ("low", "high")]
        assert list(some) == [_NAME, *ends]
        for name, values in some.items():
            np.testing.assert_array_equal(values, whole[name])


def test_durations_follow_from_person_and_activity(fitted: Fitted, features: pd.DataFrame) -> None:
    later = features[1_800:]
    answers = fitted.model.predict(later)
    actual = later["duration_s"]
    error = (answers[_NAME] - actual).abs().mean()
    by_activity = features[:1_800].groupby("task_activity")["duration_s"].median()
    assert error < 0.7 * (later["task_activity"].map(by_activity) - actual).abs().mean()
    for name, low, high in (("80", 0.75, 0.85), ("90", 0.87, 0.94)):
        bounds = answers[f"{_NAME}_low{name}"], answers[f"{_NAME}_high{name}"]
        assert low < actual.between(*bounds).mean() < high
        assert (bounds[0] >= 0).all()
        assert (bounds[0] <= answers[_NAME]).all()
        assert (answers[_NAME] <= bounds[1]).all()


def test_each_activity_has_margins_of_its_own(fitted: Fitted) -> None:
    assert set(fitted.model.margins) == {"80", "90"}
    for margins in fitted.model.margins.values():
        assert set(margins.of_group) == {"check", "decide", "file"}


def test_later_tasks_move_no_model_and_no_answer(fitted: Fitted, features: pd.DataFrame) -> None:
    changed = features.copy()
    changed.loc[1_800:, ["duration_s", "task_activity"]] = [1e6, "new"]
    again = fit(changed).model
    assert again.encoder == fitted.model.encoder
    assert again.margins == fitted.model.margins
    assert _texts(again) == _texts(fitted.model)
    later = features[1_800:]
    blind = later.assign(duration_s=np.nan, ended_at=pd.NaT)
    pd.testing.assert_frame_equal(fitted.model.predict(blind), fitted.model.predict(later))


def test_a_saved_model_answers_as_before(
    fitted: Fitted, features: pd.DataFrame, tmp_path: Path
) -> None:
    fitted.model.save(tmp_path)
    loaded = TaskDurationModel.load(tmp_path)
    later = features[1_800:]
    pd.testing.assert_frame_equal(loaded.predict(later), fitted.model.predict(later))
    assert {path.suffix for path in tmp_path.iterdir()} == {".txt", ".json"}
    (tmp_path / "p50-0.txt").unlink()
    with pytest.raises(TrainingError, match=r"lacks .*p50-0\.txt"):
        TaskDurationModel.load(tmp_path)


def test_later_tasks_choose_the_median_and_leave_the_ends_as_they_were(
    features: pd.DataFrame,
) -> None:
    plain, searched = (fit(features, trial_count=count, seed=5) for count in (1, 3))
    losses = [one.validation_loss for one in searched.choice.trials]
    assert len(losses) == 3
    assert losses[0] == plain.choice.validation_loss > searched.choice.validation_loss
    assert searched.choice.validation_loss == min(losses)
    # In hours, of the rows that validate.
    said = np.expm1(searched.validation_scores["p50"]) * searched.model.unit_s
    error = np.abs(said - features["duration_s"][1_200:1_800]).mean() / 3_600
    assert searched.choice.validation_loss == pytest.approx(error)
    before, after = _texts(plain.model), _texts(searched.model)
    assert before.pop("p50") != after.pop("p50")
    assert before == after


def test_too_few_tasks_are_refused(features: pd.DataFrame) -> None:
    place = np.arange(200)
    with pytest.raises(TrainingError, match="99 tasks to validate on, at least 100"):
        fit_task_duration(features[:200], place < 101, place >= 101, Span.SERVICE)


def test_the_wider_interval_holds_the_narrower_one(features: pd.DataFrame, fitted: Fitted) -> None:
    answers = fitted.model.predict(features)
    ends = [f"service_time_s{name}" for name in ("_low90", "_low80", "", "_high80", "_high90")]
    assert (np.diff(answers[ends].to_numpy(), axis=1) >= 0).all()


def test_tasks_that_stand_for_others_move_trees_and_intervals(
    fitted: Fitted, features: pd.DataFrame
) -> None:
    known = features[:1_800]
    groups = known.groupby(["task_activity", "task_person_id"])["duration_s"]
    is_long = known["duration_s"] > groups.transform("median")
    weight = np.where(is_long, 3.0, 1.0)
    later = features[1_800:]

    def predicted(**weights: np.ndarray) -> pd.DataFrame:
        return fit(features, **weights).model.predict(later)

    plain, weighed = fitted.model.predict(later), predicted(weight=weight)
    searched = predicted(weight=np.ones(len(known)), search_weight=weight)
    assert (weighed[_NAME] > plain[_NAME]).mean() > 0.8
    longest = f"{_NAME}_high90"
    assert not np.allclose(searched[longest], plain[longest])
    assert not np.allclose(searched[_NAME], weighed[_NAME])
    # Where all stand for as much, nothing changes.
    same = predicted(weight=np.full(len(known), 1.0), search_weight=np.ones(len(known)))
    pd.testing.assert_frame_equal(same, plain)
