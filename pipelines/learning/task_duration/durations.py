"""The model `task_duration`: how long a task waits, is worked on, and takes in all."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from pipelines.errors import TrainingError
from pipelines.learning.task_duration.model import TaskDurationModel
from pipelines.learning.task_duration.spans import Span

Values = npt.NDArray[np.float64]

SPREAD_INTERVAL: Final = "80"  # of `model.INTERVALS`, all that `spread_ratio` reads
_LEAST_S: Final = 60.0
_P90_DEVIATIONS: Final = float(norm.ppf(0.9))
_FACTS_FILE: Final = "spec.json"
# Of the ends of the intervals and of the median; see `model.INTERVALS`.
_PROBABILITIES: Final = (0.025, 0.1, 0.5, 0.9, 0.925)


@dataclass(frozen=True)
class TaskDurations:
    """A model for each span of which the history told enough."""

    models: Mapping[Span, TaskDurationModel]
    facts: Mapping[str, Any]

    @property
    def input_columns(self) -> list[str]:
        """Columns that a row of features must have."""
        sources = [name for model in self.models.values() for name in model.encoder.sources]
        return list(dict.fromkeys(sources))

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Predict every span of tasks, asked about before any of them has begun.

        Args:
            frame: what is known of each task, its activity and its person.

        Returns:
            Seconds, with the frame's index: waiting_time_s, service_time_s and sojourn_time_s,
            each a median, and with _low80, _high80, _low90 and _high90 the ends of intervals.

        Raises:
            TrainingError: a column of `input_columns` is missing.
        """
        return pd.concat([model.predict(frame) for model in self.models.values()], axis=1)

    def predict_columns(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, Values]:
        """Predict rows given as column -> plain values, as `predict` does but without pandas.

        Raises:
            TrainingError: a column of `input_columns` is missing.
        """
        return {
            name: values
            for model in self.models.values()
            for name, values in model.predict_columns(columns).items()
        }

    def save(self, folder: Path) -> None:
        """Write a folder for each span, and the facts, into `folder`, making it."""
        for span, model in self.models.items():
            model.save(folder / span.value)
        spec = {"spans": [span.value for span in self.models], "facts": dict(self.facts)}
        (folder / _FACTS_FILE).write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            TrainingError: a file is missing or cannot be read.
        """
        try:
            spec = json.loads((folder / _FACTS_FILE).read_text(encoding="utf-8"))
            spans = [Span(name) for name in spec["spans"]]
            facts = spec["facts"]
        except (OSError, KeyError, TypeError, ValueError) as err:
            raise TrainingError(
                f"The task durations in {folder} cannot be read: {err!r}. Train anew."
            ) from err
        return cls({span: TaskDurationModel.load(folder / span.value) for span in spans}, facts)


def spread_ratio(answers: Mapping[str, Values], span: Span) -> float:
    """Return the standard deviation of the errors as a part of the median, over all answers.

    That of a normal distribution with as wide an interval of 80 %: rough, as durations are skewed.

    Args:
        answers: of `TaskDurationModel.predict`, at least one row and that interval.
        span: which of them.
    """
    low, high = (answers[f"{span.value}_{end}{SPREAD_INTERVAL}"] for end in ("low", "high"))
    median_s = np.maximum(answers[span.value], _LEAST_S)
    return float(np.median((high - low) / (2 * _P90_DEVIATIONS) / median_s))


def on_time_probability(answers: Mapping[str, Values], span: Span, available_s: Values) -> Values:
    """Return how likely a span ends within the time there is, from its predicted quantiles.

    Between the ends of the intervals and the median the probability grows evenly with the log
    of the time; beyond the widest interval it is that of its end.

    Args:
        answers: of `TaskDurations.predict`.
        span: which of them.
        available_s: seconds there are for each row; negative: none. NaN gives NaN.
    """
    ends = [f"{span.value}{name}" for name in ("_low90", "_low80", "", "_high80", "_high90")]
    points = np.log1p(np.maximum.accumulate([answers[end] for end in ends])).T
    available = np.log1p(np.maximum(available_s, 0.0))
    found = [
        np.interp(time, row, _PROBABILITIES) for time, row in zip(available, points, strict=True)
    ]
    return np.where(np.isnan(available_s), np.nan, np.where(available_s < 0, 0.0, found))
