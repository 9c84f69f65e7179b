"""Predicted durations of tasks, as answers say them."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipelines.learning.encode import FEW_ROWS
from pipelines.learning.task_duration.durations import TaskDurations
from pipelines.learning.task_duration.fit import TaskDurationModel
from pipelines.learning.task_duration.spans import Span as SpanKind
from pipelines.store.online_rows import ServiceRows
from serving.task_schemas import Span


def predicted(model: TaskDurations | TaskDurationModel, features: ServiceRows) -> pd.DataFrame:
    """Predict the durations of tasks, in the order of their features."""
    rows = features.rows()
    return model.predict_rows(rows) if len(rows) <= FEW_ROWS else model.predict(features.frame)


def spans_of(predicted: pd.DataFrame) -> list[dict[SpanKind, Span]]:
    """Return the spans of each row of `TaskDurations.predict`, those the model knows."""
    kinds = [kind for kind in SpanKind if kind.value in predicted.columns]
    return [{kind: _span(row, kind) for kind in kinds} for row in predicted.to_dict("records")]


def _span(row: Mapping[Any, float], kind: SpanKind) -> Span:
    return Span(
        median_s=row[kind.value],
        **{
            f"{end}{coverage}_s": row[f"{kind.value}_{end}{coverage}"]
            for end in ("low", "high")
            for coverage in ("80", "90")
        },
    )
