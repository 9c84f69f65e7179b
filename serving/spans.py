"""Predicted durations of tasks, as answers say them."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from pipelines.learning.task_duration.spans import Span as SpanKind
from serving.task_schemas import Span

Columns = Mapping[str, npt.NDArray[np.float64]]


def spans_of(predicted: Columns) -> list[dict[SpanKind, Span]]:
    """Return the spans of each row of `predicted`, those the model knows."""
    kinds = [kind for kind in SpanKind if kind.value in predicted]
    columns = [_spans(predicted, kind) for kind in kinds]
    return [dict(zip(kinds, spans, strict=True)) for spans in zip(*columns, strict=True)]


def _spans(predicted: Columns, kind: SpanKind) -> list[Span]:
    names = {
        f"{end}{coverage}_s": f"{kind.value}_{end}{coverage}"
        for end in ("low", "high")
        for coverage in ("80", "90")
    }
    columns = [predicted[name].tolist() for name in (kind.value, *names.values())]
    fields = ("median_s", *names)
    return [Span(**dict(zip(fields, values, strict=True))) for values in zip(*columns, strict=True)]
