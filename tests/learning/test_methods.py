"""Every further model: trained, judged, kept and read back in one way."""

import json
from pathlib import Path

import pandas as pd
import pytest

from pipelines.contracts import Model
from pipelines.errors import TrainingError
from pipelines.learning.judge import judge
from pipelines.learning.methods import METHODS
from pipelines.learning.next_activity.rows import next_activity_rows
from pipelines.learning.task_duration.rows import task_questions, task_training_set
from pipelines.learning.template.rows import template_rows
from pipelines.learning.trained import TrainedModel
from pipelines.learning.training_set import TrainingSet
from tests.learning.whole_history import WholeHistory, make_whole_history

MODELS = (Model.TASK_DURATION, Model.TEMPLATE, Model.NEXT_ACTIVITY)


def training_sets(history: WholeHistory) -> dict[Model, TrainingSet]:
    split, events = history.split, history.task_events
    templates = template_rows(history.workflows, history.closures, events, split, 0.8)
    return {
        Model.TASK_DURATION: task_training_set(task_questions(events, split, 100_000, 0), split),
        Model.TEMPLATE: TrainingSet(templates, split, "lead_time_quantile"),
        Model.NEXT_ACTIVITY: TrainingSet(
            next_activity_rows(events, history.workflows, split, 100_000, 0), split
        ),
    }


@pytest.fixture(scope="module")
def sets() -> dict[Model, TrainingSet]:
    return training_sets(make_whole_history(600))


@pytest.fixture(scope="module")
def models(sets: dict[Model, TrainingSet]) -> dict[Model, TrainedModel]:
    return {model: METHODS[model].train(sets[model], seed=7, trial_count=1) for model in MODELS}


@pytest.mark.parametrize("model", MODELS)
def test_a_model_beats_its_baseline_and_is_judged_as_it_was_measured(
    model: Model, models: dict[Model, TrainedModel], sets: dict[Model, TrainingSet]
) -> None:
    one = models[model]
    assert one.beats_baseline
    first = judge(model, one.predictor, None, sets[model].frame)
    assert first.decision.promote
    assert first.challenger == one.metrics
    assert first.baselines == one.baseline_metrics
    assert not judge(model, one.predictor, one.predictor, sets[model].frame).decision.promote


@pytest.mark.parametrize("model", MODELS)
def test_what_was_tried_tells_what_was_taken(
    model: Model, models: dict[Model, TrainedModel]
) -> None:
    facts = models[model].predictor.facts
    tried = facts["tried"]
    json.dumps(tried, allow_nan=False)
    settings = [
        {name: value for name, value in one.items() if name not in {"weight", "reached"}}
        for one in tried
    ]
    assert all(settings.count(one) == 1 for one in settings)
    taken = [one for one in tried if one["weight"] > 0]
    if model is Model.TASK_DURATION:
        assert [one["span"] for one in taken] == ["waiting", "service", "sojourn"]
        assert facts["validation_measure"] == "mae_hours"
    else:
        assert facts["validation_measure"] == "mrr"
        assert max(one["reached"] for one in tried) in {one["reached"] for one in taken}


@pytest.mark.parametrize("model", MODELS)
def test_a_model_read_back_gives_the_same_answers(
    model: Model, models: dict[Model, TrainedModel], tmp_path: Path
) -> None:
    one = models[model]
    one.predictor.save(tmp_path)
    again = METHODS[model].load(tmp_path)
    assert again.facts == one.predictor.facts
    assert again.input_columns == one.predictor.input_columns == list(one.sample_input.columns)
    expected = one.predictor.predict(one.sample_input)
    pd.testing.assert_frame_equal(again.predict(one.sample_input), expected)
    with pytest.raises(TrainingError, match=one.sample_input.columns[-1]):
        again.predict(one.sample_input.iloc[:, :-1])
    for file in tmp_path.rglob("spec.json"):
        file.write_text("{}")
    with pytest.raises(TrainingError, match="read"):
        METHODS[model].load(tmp_path)


@pytest.mark.parametrize("model", MODELS)
def test_training_again_gives_the_same_figures(
    model: Model, models: dict[Model, TrainedModel], sets: dict[Model, TrainingSet]
) -> None:
    again = METHODS[model].train(sets[model], seed=7, trial_count=1)
    assert again.metrics == models[model].metrics
    assert again.card == models[model].card
    pd.testing.assert_frame_equal(again.test_predictions, models[model].test_predictions)


@pytest.mark.parametrize("model", MODELS)
def test_what_happened_after_the_split_teaches_nothing(
    model: Model, models: dict[Model, TrainedModel]
) -> None:
    history = make_whole_history(600)
    events, start = history.task_events, history.split.test_start
    later = events["occurred_at"] >= start
    # The later people work thrice as long, on other things.
    shift = (events["occurred_at"] - start) * 3
    changed = events.assign(
        occurred_at=events["occurred_at"].where(~later, start + shift),
        activity=events["activity"].where(~later, events["activity"] + " again"),
    ).assign(recorded_at=lambda rows: rows["occurred_at"])
    other = training_sets(WholeHistory(changed, history.workflows, history.closures))
    predictor = METHODS[model].train(other[model], seed=7, trial_count=1).predictor
    sample = models[model].sample_input
    pd.testing.assert_frame_equal(
        predictor.predict(sample), models[model].predictor.predict(sample)
    )


@pytest.mark.parametrize("model", MODELS)
def test_card_and_figures_show_the_model_beside_its_baselines(
    model: Model, models: dict[Model, TrainedModel], tmp_path: Path
) -> None:
    one = models[model]
    assert all(f"| {name}" in one.card for name in one.metrics)
    assert all(name in one.card for name in one.baseline_metrics)
    assert "must not answer" not in one.card
    for name, figure in one.figures.items():
        figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def test_templates_are_mined_where_a_log_has_none() -> None:
    history = make_whole_history(600)
    rows = template_rows(
        history.workflows.assign(template_id=None),
        history.closures,
        history.task_events,
        history.split,
        0.8,
    )
    trained = METHODS[Model.TEMPLATE].train(
        TrainingSet(rows, history.split, "lead_time_quantile"), seed=7, trial_count=1
    )
    assert trained.predictor.facts["choice"]["are_mined"]
    assert trained.metrics["hit_at_1"] == pytest.approx(1.0)
