"""Rows of tasks as `TaskFeatures.read` gives them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from pipelines.learning.task_duration.features import TASK_ACTIVITY, TASK_PERSON
from pipelines.store.online_rows import ServiceRows
from pipelines.store.task_rows import TaskQuestion
from serving.features import FeatureRead, completed
from tests.serving.made_rows import TYPES


def task_rows_of(
    rows: Sequence[Mapping[str, Any]], questions: Sequence[TaskQuestion], as_of: datetime
) -> FeatureRead:
    """Return feature rows, one for each question, as those of the tasks asked about."""
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    own = {
        TASK_ACTIVITY: [of.activity for of in questions],
        TASK_PERSON: [of.person_id for of in questions],
    }
    whole = completed(ServiceRows(columns, TYPES), as_of)
    return FeatureRead(whole.with_columns(own, dict.fromkeys(own, pa.string())))
