"""How long a task will wait or take: its median, an 80 % and a 90 % interval around it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.blend import Blend
from pipelines.learning.encode import Encoder
from pipelines.learning.intervals import Groups, Margins, Values
from pipelines.learning.model_files import read_model, write_model
from pipelines.learning.task_duration.features import TASK_ACTIVITY
from pipelines.learning.task_duration.spans import Span

MEDIAN: Final = "p50"
# Lower quantile, upper quantile, coverage. Durations are skewed: what the wide interval misses
# is missed above three times as often as below, which makes it a good deal shorter.
INTERVALS: Final = {"80": ("p10", "p90", 0.8), "90": ("p025", "p925", 0.9)}


@dataclass(frozen=True)
class TaskDurationModel:
    """Answers for features of `task_features`.

    Scores are log(1 + duration / unit_s), the unit being the median duration learned from: a
    second more matters alike up to about there, and less and less beyond. `margins` belong to
    the intervals, by activity.
    """

    span: Span
    encoder: Encoder
    blends: Mapping[str, Blend]
    unit_s: float
    margins: Mapping[str, Margins]

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """Predict durations in seconds; the result has the frame's index.

        Columns: the span's name for the median, and with _low80, _high80, _low90 and _high90
        for the ends of the intervals, ordered and never negative.

        Raises:
            TrainingError: a column the model was trained on is missing.
        """
        answers = self.answers(self.scores(features), activity_groups(features))
        return pd.DataFrame(answers, index=features.index)

    def predict_columns(
        self, columns: Mapping[str, Sequence[Any]], intervals: Collection[str] = tuple(INTERVALS)
    ) -> dict[str, Values]:
        """Predict rows given as column -> plain values, as `predict` does but without pandas.

        Args:
            columns: what is known of each task, its activity and its person.
            intervals: which of `INTERVALS` to tell; each costs two boosters.

        Raises:
            TrainingError: a column the model was trained on is missing.
        """
        matrix = self.encoder.matrix_of_columns(columns)
        ends = {end for name in intervals for end in INTERVALS[name][:2]}
        scores = {name: self.blends[name].raw(matrix) for name in (MEDIAN, *ends)}
        groups = np.array([str(activity) for activity in columns[TASK_ACTIVITY]], dtype=object)
        return self.answers(scores, groups, intervals)

    def scores(self, features: pd.DataFrame) -> dict[str, Values]:
        """Return the scores, without margins."""
        matrix = self.encoder.matrix(features)
        return {name: blend.raw(matrix) for name, blend in self.blends.items()}

    def answers(
        self,
        scores: Mapping[str, Values],
        groups: Groups,
        intervals: Collection[str] = tuple(INTERVALS),
    ) -> dict[str, Values]:
        """Turn scores into seconds with the model's margins."""
        ends = {
            name: self.margins[name].widen(scores[low], scores[high], groups)
            for name, (low, high, _) in INTERVALS.items()
            if name in intervals
        }
        return in_seconds(self.span, scores[MEDIAN], ends, self.unit_s)

    def save(self, folder: Path) -> None:
        """Write the scores and spec.json into `folder`, making it."""
        spec = {
            "span": self.span.value,
            "unit_s": self.unit_s,
            "columns": self.encoder.to_spec(),
            "margins": {name: margins.to_spec() for name, margins in self.margins.items()},
        }
        write_model(folder, self.blends, spec)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            TrainingError: a file is missing or not readable, or the spec is of another version.
        """
        blends, spec = read_model(folder)
        try:
            return cls(
                span=Span(spec["span"]),
                encoder=Encoder.from_spec(spec["columns"]),
                blends=blends,
                unit_s=spec["unit_s"],
                margins={name: Margins.from_spec(one) for name, one in spec["margins"].items()},
            )
        except (KeyError, TypeError, ValueError) as err:
            raise TrainingError(f"The model in {folder} cannot be read: {err!r}.") from err


def activity_groups(features: pd.DataFrame) -> Groups:
    """Return each row's activity, the group that intervals are calibrated by."""
    return np.asarray(features[TASK_ACTIVITY].astype(str), dtype=object)


def to_score(duration_s: pd.Series, unit_s: float) -> Values:
    """Return log(1 + duration / unit)."""
    units: Values = np.maximum(duration_s.to_numpy(dtype=float), 0) / unit_s
    return np.log1p(units)


def in_seconds(
    span: Span,
    median: Values,
    ends: Mapping[str, tuple[Values, Values]],
    unit_s: float,
) -> dict[str, Values]:
    """Turn a median's and intervals' scores into seconds, columns as `predict` names them."""
    scores = {span.value: median}
    low = high = median
    for name in (one for one in INTERVALS if one in ends):  # the wider one holds the narrower one
        low, high = np.minimum.reduce([low, *ends[name]]), np.maximum.reduce([high, *ends[name]])
        scores[f"{span.value}_low{name}"], scores[f"{span.value}_high{name}"] = low, high
    return {name: np.maximum(np.expm1(of), 0.0) * unit_s for name, of in scores.items()}
