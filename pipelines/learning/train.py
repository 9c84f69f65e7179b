"""Train a model on a training set and measure it beside its baselines."""

from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import Final

from pipelines.contracts import Model
from pipelines.learning import delay_risk, remaining_time
from pipelines.learning.baselines import MEDIAN, baseline_predictions
from pipelines.learning.blend import trimmed
from pipelines.learning.columns import AS_OF, WORKFLOW_ID
from pipelines.learning.evaluate import segment_metrics
from pipelines.learning.fit_encoder import fit_encoder
from pipelines.learning.gate import beats_baseline
from pipelines.learning.holdout import held_out_examples
from pipelines.learning.metrics import measure
from pipelines.learning.model_card import model_card
from pipelines.learning.plots import figures
from pipelines.learning.predictor import EXPECTED, Predictor
from pipelines.learning.search import TRIAL_COUNT
from pipelines.learning.split import Part
from pipelines.learning.trained import TrainedModel, training_facts
from pipelines.learning.training_set import TrainingSet, judged_rows, rows_of

_METHODS: Final[Mapping[Model, ModuleType]] = {
    Model.REMAINING_TIME: remaining_time,
    Model.DELAY_RISK: delay_risk,
}
_LABELS: Final = {Model.REMAINING_TIME: "remaining_time_s", Model.DELAY_RISK: "is_late"}
_EXPLAINED_ROWS: Final = 1_000
_SAMPLE_ROWS: Final = 5


def train(
    model: Model,
    training_set: TrainingSet,
    *,
    seed: int = 0,
    trial_count: int = TRIAL_COUNT,
) -> TrainedModel:
    """Search and train a model, measure it on the test rows, explain and draw it.

    The same set, count and seed give the same trees and figures.

    Args:
        model: remaining time or delay risk.
        training_set: labelled and split rows.
        seed: of the search, and of bagging and feature sampling.
        trial_count: learners and hyper-parameters to try on the later training workflows.

    Raises:
        TrainingError: too few rows, or no feature that varies.
    """
    method, label = _METHODS[model], _LABELS[model]
    train_rows = rows_of(training_set.frame, Part.TRAIN)
    test_rows = judged_rows(training_set.frame)

    encoder = fit_encoder(train_rows)
    examples = held_out_examples(
        train_rows,
        encoder,
        method.to_target(train_rows[label]),
        has_classes=model is Model.DELAY_RISK,
    )
    fitted = method.fit(examples, trial_count, seed)
    choice = fitted.choice
    encoder, scores = trimmed(encoder, fitted.scores, keep=fitted.constants.get("group_column"))
    limits = training_set.late_limits
    predictor = Predictor(model, encoder, scores, fitted.constants, {}, late_limits=limits)
    predicted = predictor.predict(test_rows)
    metrics = measure(model, test_rows, predicted)
    simple = baseline_predictions(model, train_rows, test_rows)
    baselines = {name: measure(model, test_rows, answer) for name, answer in simple.items()}
    facts = training_facts(training_set, train_rows, test_rows) | {
        "beats_baseline": beats_baseline(model, metrics, baselines),
        "validation_measure": method.PROBLEM.loss_name,
        "tried": choice.tried,
    }
    predictor = replace(predictor, facts=facts)

    some = test_rows.sample(min(_EXPLAINED_ROWS, len(test_rows)), random_state=0)
    contributions = predictor.contributions(some).drop(columns=EXPECTED)
    segments = segment_metrics(model, test_rows, predicted)
    mean = contributions.abs().mean()
    importance = {str(name): float(mean[name]) for name in mean.index}
    return TrainedModel(
        model=model,
        predictor=predictor,
        params={"seed": seed, "trial_count": trial_count, **choice.members[0].settings},
        metrics=metrics,
        validation_metrics=method.validation_metrics(
            fitted, train_rows.loc[examples.validation, label]
        ),
        baseline_metrics=baselines,
        segments=segments,
        figures=figures(model, test_rows, predicted, simple[MEDIAN], contributions),
        card=model_card(
            model,
            facts,
            metrics=metrics,
            baselines=baselines,
            segments=segments,
            importance=importance,
        ),
        test_predictions=test_rows[[WORKFLOW_ID, AS_OF]]
        .assign(actual=test_rows[label])
        .join(predicted),
        sample_input=test_rows[predictor.input_columns].head(_SAMPLE_ROWS),
    )
