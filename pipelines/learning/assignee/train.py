"""Train the platform's assignee model: who takes a task whose activity is known."""

from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd

from pipelines.contracts import Model
from pipelines.errors import TrainingError
from pipelines.learning.assignee.coded_log import Mask
from pipelines.learning.assignee.evaluate import Takings, by_activity, measure, read_takings
from pipelines.learning.assignee.pairs import Pairs
from pipelines.learning.assignee.plots import taker_found
from pipelines.learning.assignee.ranker import SETTINGS, Ranker, fit_ranker
from pipelines.learning.assignee.ranking import first_choices, ranks
from pipelines.learning.assignee.split import fit_and_validation
from pipelines.learning.assignee.task_baselines import MOST_FREQUENT_FOR_ACTIVITY, baseline_scores
from pipelines.learning.assignee.task_pairs import MOST_TASK_CANDIDATES, make_task_pairs
from pipelines.learning.columns import AS_OF, WORKFLOW_ID
from pipelines.learning.comparison import gains
from pipelines.learning.gate import beats_baseline
from pipelines.learning.model_card import model_card
from pipelines.learning.split import Part
from pipelines.learning.trained import TrainedModel, training_facts
from pipelines.learning.training_set import TrainingSet, rows_of

MOST_QUESTIONS: Final = 5_000
_FEWEST_QUESTIONS: Final = 100  # a seventh of which validates
_SAMPLE_ROWS: Final = 5


def train(
    training_set: TrainingSet, *, seed: int = 0, trial_count: int = len(SETTINGS)
) -> TrainedModel:
    """Learn from the latest training tasks, and measure on the test tasks.

    Args:
        training_set: `task_takings` of the whole history with `part`; what stands on neither
            side is known, and not asked about.
        seed: of bagging and feature sampling.
        trial_count: settings to try and to average, up to those there are.

    Raises:
        TrainingError: too few tasks on a side, or a column is missing.
    """
    takings = read_takings(training_set.frame)
    asked = _latest(takings, training_set.split.test_start.timestamp())
    pairs = make_task_pairs(takings.tasks, asked | takings.is_test)
    learned = pairs.where(asked[pairs.position])
    test = pairs.where(takings.is_test[pairs.position])
    ranker = _fit(takings, learned, seed, trial_count)
    scores = ranker.scores_of(test)
    metrics = measure(test, scores)
    simple = baseline_scores(takings.frame, takings.tasks, takings.is_train, test)
    baselines = {name: measure(test, one) for name, one in simple.items()}
    facts = training_facts(
        training_set,
        rows_of(takings.frame, Part.TRAIN),
        rows_of(takings.frame, Part.TEST),
    ) | {
        "beats_baseline": beats_baseline(Model.ASSIGNEE, metrics, baselines),
        "choice": _choice(ranker, learned),
        "validation_measure": "mrr",
        "tried": ranker.facts["tried"],
    }
    ranker = replace(ranker, facts=facts)
    strongest = simple[MOST_FREQUENT_FOR_ACTIVITY]
    segments = {
        "activity": by_activity(takings.tasks, test, scores, strongest, MOST_FREQUENT_FOR_ACTIVITY)
    }
    importance = ranker.importance
    return TrainedModel(
        model=Model.ASSIGNEE,
        predictor=ranker,
        params={"seed": seed, "trial_count": trial_count, **facts["choice"]},
        metrics=metrics,
        validation_metrics={"mrr": facts["choice"]["validation_mrr"]},
        baseline_metrics=baselines,
        segments=segments,
        figures={
            "taker_found": taker_found(
                ranks(test, scores),
                {
                    name.replace("_", " "): ranks(test, simple[name])
                    for name in (MOST_FREQUENT_FOR_ACTIVITY, "last_on_activity")
                },
            ),
            "gain": gains(importance),
        },
        card=model_card(
            Model.ASSIGNEE,
            facts,
            metrics=metrics,
            baselines=baselines,
            segments=segments,
            importance=importance,
        ),
        test_predictions=_answers(takings, test, scores),
        sample_input=pd.DataFrame(test.matrix[:_SAMPLE_ROWS], columns=test.names),
    )


def _latest(takings: Takings, test_start_s: float) -> Mask:
    """Return the latest training tasks that were taken before the test begins."""
    is_answered = takings.is_train & (takings.tasks.taken_s < test_start_s)
    rows = np.flatnonzero(is_answered)[-MOST_QUESTIONS:]
    if len(rows) < _FEWEST_QUESTIONS:
        raise TrainingError(
            f"{len(rows)} tasks were taken by someone before the later period, at least "
            f"{_FEWEST_QUESTIONS} are needed: give a longer history."
        )
    asked = np.zeros(len(is_answered), dtype=bool)
    asked[rows] = True
    return asked


def _fit(takings: Takings, learned: Pairs, seed: int, trial_count: int) -> Ranker:
    tasks, rows = takings.tasks, learned.position
    sides = fit_and_validation(tasks.asked_s[rows], tasks.taken_s[rows])
    return fit_ranker(learned, *sides, seed, SETTINGS[: max(trial_count, 1)])


def _choice(ranker: Ranker, learned: Pairs) -> dict[str, Any]:
    return {
        "question_count": len(learned.size),
        "candidate_count": MOST_TASK_CANDIDATES,
        "feature_count": len(learned.names),
        "boosting_rounds": ", ".join(map(str, ranker.facts["rounds"])),
        "fit_question_count": ranker.facts["fit_question_count"],
        "validation_question_count": ranker.facts["validation_question_count"],
        "validation_mrr": ranker.facts["validation_mrr_of_mean"],
    }


def _answers(takings: Takings, test: Pairs, scores: np.ndarray) -> pd.DataFrame:
    """Return per test task who took it, who was proposed first, and the taker's place."""
    told = [WORKFLOW_ID, "task_id", "activity", AS_OF, "asked_at"]
    people = np.array(takings.tasks.log.people, dtype=object)
    return (
        takings.frame.loc[test.position, told]
        .reset_index(drop=True)
        .assign(
            actual=people[test.truth],
            proposed=people[first_choices(test, scores)],
            place_of_actual=ranks(test, scores),
        )
    )
