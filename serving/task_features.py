"""What is known of tasks and of who might do them, as the model of task durations reads it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Protocol

import pyarrow as pa

from pipelines.contracts import Model
from pipelines.errors import FeatureStoreError
from pipelines.learning.task_duration.features import TASK_ACTIVITY, TASK_PERSON
from pipelines.store.task_rows import Lookup, TaskQuestion, task_rows
from serving import metrics
from serving.features import Fallback, FeatureRead, completed, fallen_back
from serving.problems import FeaturesAwayError

_TASK_TYPES: Final = {TASK_ACTIVITY: pa.string(), TASK_PERSON: pa.string()}
TASK_NAMES: Final = frozenset(_TASK_TYPES)


class Missing(Protocol):
    """What tells whether the online store answers."""

    @property
    def missing(self) -> str | None:
        """Why the online store cannot be read, or None."""


class Reads(Lookup, Protocol):
    """What is needed of the online store."""

    def require_content(self) -> None:
        """See that the store holds features at all."""


class FallsBack(Protocol):
    """What is needed of the copy from the lake."""

    def read_tasks(self, questions: Sequence[TaskQuestion]) -> Fallback | None:
        """Return one row for each question, in their order; None where there is no copy."""


class TaskFeatures:
    """Read the features of tasks from the online store; while it is away, from the copy."""

    def __init__(self, reader: Reads, store: Missing, fallback: FallsBack) -> None:
        self._reader = reader
        self._store = store
        self._fallback = fallback

    def read(self, questions: Sequence[TaskQuestion], as_of: datetime) -> FeatureRead:
        """Read a row for each question, in their order.

        Raises:
            FeaturesAwayError: neither the online store nor the copy from the lake can be read.
        """
        with metrics.FEATURES_SECONDS.labels(Model.TASK_DURATION.value).time():
            read = self._read(questions, as_of)
        own: dict[str, Sequence[Any]] = {
            TASK_ACTIVITY: [question.activity for question in questions],
            TASK_PERSON: [question.person_id for question in questions],
        }
        return replace(read, rows=read.rows.with_columns(own, _TASK_TYPES))

    def _read(self, questions: Sequence[TaskQuestion], as_of: datetime) -> FeatureRead:
        missing = self._store.missing
        if missing is None:  # only the probe waits for a store that is away or hangs
            try:
                rows = task_rows(self._reader, questions, as_of)
                if not all(rows.columns["is_known"]):
                    self._reader.require_content()
                return FeatureRead(completed(rows, as_of))
            except FeatureStoreError as err:
                missing = str(err)
        found = self._fallback.read_tasks(questions)
        if found is None:
            raise FeaturesAwayError(f"Features of tasks cannot be read: {missing}")
        return fallen_back(found)
