"""Train the template suggestions and measure them beside their baselines."""

from dataclasses import replace
from typing import Final

from pipelines.contracts import Model
from pipelines.learning.columns import AS_OF, PART, WORKFLOW_ID
from pipelines.learning.comparison import compared, gains
from pipelines.learning.gain import gain_shares
from pipelines.learning.gate import beats_baseline
from pipelines.learning.metrics import Metrics
from pipelines.learning.model_card import model_card
from pipelines.learning.split import Part
from pipelines.learning.template.fit import fit_templates
from pipelines.learning.template.measure import evaluate_templates, template_baselines
from pipelines.learning.template.rows import STEPS, mined_variants, with_templates
from pipelines.learning.trained import TrainedModel, training_facts
from pipelines.learning.training_set import TrainingSet, rows_of

_SHOWN: Final = {"hit_at_1": "first", "hit_at_3": "first three", "mrr": "reciprocal rank"}
_SAMPLE_ROWS: Final = 5


def train_templates(
    training_set: TrainingSet, *, seed: int = 0, trial_count: int = 0
) -> TrainedModel:
    """Train on the training rows; their latest fifth chooses how.

    Args:
        training_set: made from `template_rows`.
        seed: of sampling and of the first factors.
        trial_count: not used; all settings there are, are tried.

    Raises:
        TrainingError: see `fit_templates`.
    """
    frame = training_set.frame
    variants = mined_variants(frame)
    rows = with_templates(frame, variants)
    train_rows, test_rows = rows_of(rows, Part.TRAIN), rows_of(rows, Part.TEST)
    fitted = fit_templates(
        train_rows.drop(columns=[STEPS, PART, "late_rule"]), variants=variants, seed=seed
    )
    metrics, baselines = evaluate_templates(fitted, frame), template_baselines(frame)
    validation: Metrics = dict(fitted.facts["validation"])
    facts = training_facts(training_set, train_rows, test_rows) | {
        "beats_baseline": beats_baseline(Model.TEMPLATE, metrics, baselines),
        "choice": {
            "templates": len(fitted.templates),
            "are_mined": variants is not None,
            "content_weight": fitted.content_weight,
            **{
                name: value
                for name, value in fitted.facts.items()
                if name not in {"validation", "tried"}
            },
        },
        "validation_measure": "mrr",
        "tried": fitted.facts["tried"],
    }
    model = replace(fitted, facts=facts)
    importance = gain_shares([(model.content.trees, model.content.encoder.names)])
    suggested = model.suggest(test_rows, count=1).drop(columns="rank")
    taken = test_rows[[WORKFLOW_ID, AS_OF]].assign(actual=test_rows["template_id"])
    return TrainedModel(
        model=Model.TEMPLATE,
        predictor=model,
        params={"seed": seed},
        metrics=metrics,
        validation_metrics=validation,
        baseline_metrics=baselines,
        segments={},
        figures={
            "hits": compared(
                "Templates that were taken, among those suggested",
                metrics,
                baselines,
                subtitle=f"On {len(test_rows):,} later workflows; larger is better",
                shown=_SHOWN,
                unit="Share of workflows, mean",
            ),
            "gain": gains(importance),
        },
        card=model_card(
            Model.TEMPLATE,
            facts,
            metrics=metrics,
            baselines=baselines,
            segments={},
            importance=importance,
        ),
        test_predictions=taken.merge(suggested, on=WORKFLOW_ID),
        sample_input=test_rows[model.input_columns].head(_SAMPLE_ROWS),
    )
