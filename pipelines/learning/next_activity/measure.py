"""Measure next activities on later workflows, beside what followed most often."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import f1_score

from pipelines.learning.metrics import Metrics
from pipelines.learning.next_activity.model import NextActivityModel
from pipelines.learning.next_activity.ngram import NGram
from pipelines.learning.next_activity.prefixes import next_activities, prefix_features
from pipelines.learning.next_activity.vocabulary import Vocabulary
from pipelines.learning.ranking import UNKNOWN, ranking_metrics, ranks
from pipelines.learning.split import Part
from pipelines.learning.training_set import rows_of

Values = npt.NDArray[np.float64]

# How many of the last activities each baseline looks at.
BASELINES: Final[Mapping[str, int]] = {"majority": 0, "last_activity": 1, "trigram": 2}
_BACK_OFF: Final = 1e-6  # observations; so few only order what the longer context leaves open


def evaluate_next_activity(model: NextActivityModel, frame: pd.DataFrame) -> Metrics:
    """Measure a model on the test events of a training set.

    Returns:
        accuracy, macro_f1 (of the classes that occur), hit_at_3 and mrr.

    Raises:
        TrainingError: a column the model reads is missing, or there are no such events.
    """
    test = rows_of(frame, Part.TEST)
    actual = model.vocabulary.class_codes(next_activities(test))
    return {**share_metrics(model.probabilities(prefix_features(test)), actual)}


def next_activity_baselines(frame: pd.DataFrame) -> dict[str, Metrics]:
    """Measure what most often followed the last activities in the training events.

    Raises:
        TrainingError: a side has no row.
    """
    train, test = rows_of(frame, Part.TRAIN), rows_of(frame, Part.TEST)
    actual = Vocabulary.of(train["activity"]).class_codes(next_activities(test))
    return {
        name: {**share_metrics(counted(length, train, test), actual)}
        for name, length in BASELINES.items()
    }


def counted(length: int, train: pd.DataFrame, test: pd.DataFrame) -> Values:
    """Answer what most often followed the last `length` activities, or else fewer of them."""
    vocabulary = Vocabulary.of(train["activity"])
    contexts, later = (vocabulary.contexts(prefix_features(one)) for one in (train, test))
    followed = vocabulary.class_codes(next_activities(train))
    classes = len(vocabulary.classes)
    ngram = NGram.fit(contexts[:, :length], followed, classes, vocabulary.base, _BACK_OFF)
    return ngram.probabilities(later)


def share_metrics(shares: Values, actual: npt.NDArray[np.int64]) -> dict[str, float]:
    """Measure (events, classes) probabilities against the classes that followed."""
    occurring = sorted(set(actual.tolist()) - {UNKNOWN})
    predicted = shares.argmax(axis=1)
    f1 = f1_score(actual, predicted, labels=occurring, average="macro", zero_division=0)
    hits = ranking_metrics(ranks(shares, actual), at=(1, 3))
    return {"accuracy": hits.pop("hit_at_1"), "macro_f1": float(f1), **hits}
