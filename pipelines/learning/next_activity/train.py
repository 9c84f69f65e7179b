"""Train the next activities and measure them beside their baselines."""

from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd

from pipelines.contracts import Model
from pipelines.learning.columns import AS_OF, PART, WORKFLOW_ID
from pipelines.learning.comparison import compared, gains
from pipelines.learning.gain import gain_shares
from pipelines.learning.gate import beats_baseline
from pipelines.learning.metrics import LEAST_OF_SEGMENT
from pipelines.learning.model_card import model_card
from pipelines.learning.next_activity.fit import fit_next_activity
from pipelines.learning.next_activity.measure import (
    evaluate_next_activity,
    next_activity_baselines,
)
from pipelines.learning.next_activity.model import NextActivityModel
from pipelines.learning.next_activity.prefixes import next_activities, prefix_features
from pipelines.learning.split import Part
from pipelines.learning.trained import TrainedModel, training_facts
from pipelines.learning.training_set import TrainingSet, rows_of

_SHOWN: Final = {"accuracy": "first", "hit_at_3": "first three", "mrr": "reciprocal rank"}
_VALIDATION_RATIO: Final = 0.2


def train_next_activity(
    training_set: TrainingSet, *, seed: int = 0, trial_count: int = 0
) -> TrainedModel:
    """Train on the training workflows; their latest fifth chooses how.

    Args:
        training_set: made from `next_activity_rows`.
        seed: of bagging and feature sampling.
        trial_count: not used; all settings there are, are tried.

    Raises:
        TrainingError: see `fit_next_activity`.
    """
    frame = training_set.frame
    train_rows, test_rows = rows_of(frame, Part.TRAIN), rows_of(frame, Part.TEST)
    begun = train_rows.groupby(WORKFLOW_ID, sort=False)[AS_OF].transform("first")
    validation = np.asarray(begun >= begun.quantile(1 - _VALIDATION_RATIO))
    fitted = fit_next_activity(train_rows.drop(columns=PART), validation, seed)
    metrics, baselines = evaluate_next_activity(fitted, frame), next_activity_baselines(frame)
    facts = training_facts(training_set, train_rows, test_rows) | {
        "beats_baseline": beats_baseline(Model.NEXT_ACTIVITY, metrics, baselines),
        "choice": {
            "activities": len(fitted.vocabulary.activities),
            "rounds": fitted.facts["round_count"],
            "n-gram weight": fitted.ngram_weight,
        },
        "validation_measure": "mrr",
        "tried": fitted.facts["tried"],
    }
    model = replace(fitted, facts=facts)
    importance = gain_shares([(model.trees, model.encoder.names)])
    answers = _answers(model, test_rows)
    segments = {"activity": _by_activity(answers)}
    first = test_rows[WORKFLOW_ID] == test_rows[WORKFLOW_ID].iloc[0]
    return TrainedModel(
        model=Model.NEXT_ACTIVITY,
        predictor=model,
        params={"seed": seed},
        metrics=metrics,
        validation_metrics=dict(fitted.facts["validation"]),
        baseline_metrics=baselines,
        segments=segments,
        figures={
            "hits": compared(
                "Activities that followed, among those predicted",
                metrics,
                baselines,
                subtitle=f"On {len(test_rows):,} later tasks; larger is better",
                shown=_SHOWN,
                unit="Share of tasks, mean",
            ),
            "gain": gains(importance),
        },
        card=model_card(
            Model.NEXT_ACTIVITY,
            facts,
            metrics=metrics,
            baselines=baselines,
            segments=segments,
            importance=importance,
        ),
        test_predictions=answers,
        sample_input=test_rows.loc[first, model.input_columns],
    )


def _answers(model: NextActivityModel, rows: pd.DataFrame) -> pd.DataFrame:
    shares = model.probabilities(prefix_features(rows))
    best = shares.argmax(axis=1)
    return rows[[WORKFLOW_ID, AS_OF, "activity"]].assign(
        actual=next_activities(rows),
        predicted=np.array(model.vocabulary.classes, dtype=object)[best],
        probability=shares.max(axis=1),
    )


def _by_activity(answers: pd.DataFrame) -> pd.DataFrame:
    """Measure by the activity after which was asked."""
    hits = (answers["actual"] == answers["predicted"]).groupby(answers["activity"])
    table = pd.DataFrame({"row_count": hits.size(), "accuracy": hits.mean()})
    table = table[table["row_count"] >= LEAST_OF_SEGMENT].rename_axis("segment")
    return table.reset_index()
