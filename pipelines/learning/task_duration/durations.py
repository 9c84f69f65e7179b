"""The model `task_duration`: how long a task waits, is worked on, and takes in all."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.task_duration.fit import TaskDurationModel
from pipelines.learning.task_duration.spans import Span

_FACTS_FILE: Final = "spec.json"


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
