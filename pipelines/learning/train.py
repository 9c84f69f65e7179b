"""Train a model on a training set and measure it beside its baselines."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, Final

import pandas as pd
from matplotlib.figure import Figure

from pipelines.contracts import Model
from pipelines.learning import delay_risk, remaining_time
from pipelines.learning.baselines import MEDIAN, baseline_predictions
from pipelines.learning.blend import trimmed
from pipelines.learning.choice import Trial
from pipelines.learning.columns import AS_OF, WEIGHT, WORKFLOW_ID
from pipelines.learning.evaluate import segment_metrics
from pipelines.learning.examples import Examples, age_ratios, validation_masks
from pipelines.learning.fit_encoder import fit_encoder
from pipelines.learning.gate import beats_baseline
from pipelines.learning.metrics import Metrics, measure
from pipelines.learning.model_card import model_card
from pipelines.learning.plots import figures
from pipelines.learning.predictor import EXPECTED, Predictor
from pipelines.learning.search import TRIAL_COUNT
from pipelines.learning.split import Part
from pipelines.learning.training_set import TrainingSet, rows_of

_METHODS: Final[Mapping[Model, ModuleType]] = {
    Model.REMAINING_TIME: remaining_time,
    Model.DELAY_RISK: delay_risk,
}
_LABELS: Final = {Model.REMAINING_TIME: "remaining_time_s", Model.DELAY_RISK: "is_late"}
_EXPLAINED_ROWS: Final = 1_000
_SAMPLE_ROWS: Final = 5


@dataclass(frozen=True)
class TrainedModel:
    """A trained model with everything worth keeping about it."""

    model: Model
    predictor: Predictor
    params: Mapping[str, Any]
    metrics: Metrics  # on the test rows
    validation_metrics: Metrics
    baseline_metrics: Mapping[str, Metrics]  # by baseline, on the test rows
    segments: Mapping[str, pd.DataFrame] = field(repr=False)
    figures: Mapping[str, Figure] = field(repr=False)
    card: str = field(repr=False)
    trials: tuple[Trial, ...] = field(repr=False)
    test_predictions: pd.DataFrame = field(repr=False)  # workflow_id, as_of, actual, answers
    sample_input: pd.DataFrame = field(repr=False)

    @property
    def beats_baseline(self) -> bool:
        """Whether the model beats the median baseline on the test rows."""
        return bool(self.predictor.facts["beats_baseline"])


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
    test_rows = rows_of(training_set.frame, Part.TEST)

    fit_rows, validation_rows = validation_masks(train_rows)
    encoder = fit_encoder(train_rows)
    examples = Examples(
        encoder=encoder,
        matrix=encoder.matrix(train_rows),
        target=method.to_target(train_rows[label]),
        weight=train_rows[WEIGHT].to_numpy(dtype=float),
        age_ratio=age_ratios(train_rows[AS_OF]),
        fit=fit_rows,
        validation=validation_rows,
        workflow=pd.factorize(train_rows[WORKFLOW_ID])[0],
    )
    fitted = method.fit(examples, trial_count, seed)
    choice = fitted.choice
    encoder, scores = trimmed(encoder, fitted.scores, keep=fitted.constants.get("group_column"))
    predictor = Predictor(model, encoder, scores, fitted.constants, facts={})
    predicted = predictor.predict(test_rows)
    metrics = measure(model, test_rows, predicted)
    simple = baseline_predictions(model, train_rows, test_rows)
    baselines = {name: measure(model, test_rows, answer) for name, answer in simple.items()}
    facts = _facts(training_set, train_rows, test_rows) | {
        "beats_baseline": beats_baseline(model, metrics, baselines[MEDIAN]),
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
            fitted, train_rows.loc[validation_rows, label]
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
        trials=choice.trials,
        test_predictions=test_rows[[WORKFLOW_ID, AS_OF]]
        .assign(actual=test_rows[label])
        .join(predicted),
        sample_input=test_rows[predictor.input_columns].head(_SAMPLE_ROWS),
    )


def _facts(
    training_set: TrainingSet, train_rows: pd.DataFrame, test_rows: pd.DataFrame
) -> dict[str, Any]:
    """Say what the model was trained on, as plain data for spec.json, card and registry."""
    split = training_set.split
    return {
        "train_start": _day(split.train_start),
        "test_start": _day(split.test_start),
        "test_end": _day(split.test_end),
        "train_workflow_count": int(train_rows[WORKFLOW_ID].nunique()),
        "test_workflow_count": int(test_rows[WORKFLOW_ID].nunique()),
        "train_row_count": len(train_rows),
        "test_row_count": len(test_rows),
        "open_at_split_count": split.open_at_split_count,
        "not_closed_count": split.not_closed_count,
        "censored_row_count": training_set.censored_row_count,
        "late_rule": training_set.late_rule,
    }


def _day(moment: pd.Timestamp) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
