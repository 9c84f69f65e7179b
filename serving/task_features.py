"""What is known of tasks and of who might do them, as the model of task durations reads it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import pyarrow as pa

from pipelines.contracts import Model
from pipelines.errors import FeatureStoreError
from pipelines.learning.task_duration.features import TASK_ACTIVITY, TASK_PERSON
from pipelines.store.online_rows import ServiceRows
from pipelines.store.task_rows import TaskQuestion, task_rows
from pipelines.store.view_reader import ViewReader
from serving import metrics
from serving.features import completed
from serving.problems import FeaturesAwayError

_TASK_TYPES: Final = {TASK_ACTIVITY: pa.string(), TASK_PERSON: pa.string()}
TASK_NAMES: Final = frozenset(_TASK_TYPES)


class Missing(Protocol):
    """What tells whether the online store answers."""

    @property
    def missing(self) -> str | None:
        """Why the online store cannot be read, or None."""


class TaskFeatures:
    """Read the features of tasks from the online store; there is no copy of them in the lake."""

    def __init__(self, reader: ViewReader, store: Missing) -> None:
        self._reader = reader
        self._store = store

    def read(self, questions: Sequence[TaskQuestion], as_of: datetime) -> ServiceRows:
        """Read a row for each question, in their order.

        Raises:
            FeaturesAwayError: the online store does not answer.
        """
        # Only the probe waits for a store that is away or hangs.
        if self._store.missing is not None:
            raise FeaturesAwayError(f"Features of tasks cannot be read: {self._store.missing}")
        try:
            with metrics.FEATURES_SECONDS.labels(Model.TASK_DURATION.value).time():
                rows = task_rows(self._reader, questions, as_of)
        except FeatureStoreError as err:
            raise FeaturesAwayError(f"Features of tasks cannot be read: {err}") from err
        own: dict[str, Sequence[Any]] = {
            TASK_ACTIVITY: [question.activity for question in questions],
            TASK_PERSON: [question.person_id for question in questions],
        }
        return completed(rows, as_of).with_columns(own, _TASK_TYPES)
