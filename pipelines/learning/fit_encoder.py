"""Learn from training rows which columns a model reads, and the levels of its categories."""

from collections import Counter
from typing import Final

import numpy as np
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.columns import JSON_SUFFIXES, WORKFLOW_ID, base_name, feature_columns
from pipelines.learning.encode import Column, Encoder, Kind
from pipelines.learning.encode_values import (
    Matrix,
    expand_json,
    level_of,
    numbers,
    parse_object,
    scalar,
)

_MOST_LEVELS: Final = 120
_LEAST_WORKFLOWS_OF_LEVEL: Final = 5
_MOST_KEYS: Final = 40  # attributes taken from one JSON column, the most frequent
_LEAST_SHARE_OF_KEY: Final = 0.005
_NUMERIC_SHARE: Final = 0.95  # an attribute with more parseable values than this is a number
_FEW_CODES: Final = 2


def fit_encoder(frame: pd.DataFrame) -> Encoder:
    """Choose columns, kinds and levels on training rows.

    JSON attributes become columns of their own. A level needs five workflows behind it; rarer
    and unseen values share one level. Columns with one value only are left out, and so are
    absolute dates: a time is read as its distance from `as_of`.

    Args:
        frame: training rows with workflow_id, as_of and the features.

    Raises:
        TrainingError: no column varies.
    """
    columns: list[Column] = []
    for name in feature_columns(frame.columns):
        if base_name(name).endswith(JSON_SUFFIXES):
            expanded = expand_json(frame[name], _frequent_keys(frame[name]))
            for key, values in expanded.items():
                columns += _of_attribute(f"{name}.{key}", name, key, values, frame[WORKFLOW_ID])
        else:
            columns += _of_column(name, frame[name], frame[WORKFLOW_ID])
    if not columns:
        raise TrainingError(
            f"None of the columns {', '.join(frame.columns)} varies over {len(frame)} training "
            "rows: there is nothing to learn from."
        )
    return Encoder(tuple(columns))


def _of_column(name: str, values: pd.Series, workflow_ids: pd.Series) -> list[Column]:
    if pd.api.types.is_datetime64_any_dtype(values):
        return [Column(name, name, Kind.AGE)] if _varies(values) else []
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return [Column(name, name, Kind.NUMBER)] if _varies(numbers(values)) else []
    return _of_category(name, name, None, values, workflow_ids)


def _of_attribute(
    name: str, source: str, key: str, values: pd.Series, workflow_ids: pd.Series
) -> list[Column]:
    """Read an attribute as a number if nearly all its values are, else as a category."""
    as_numbers = numbers(values.where(~values.map(lambda v: isinstance(v, bool))))
    known_count = int(values.notna().sum())
    if known_count and np.isfinite(as_numbers).sum() >= _NUMERIC_SHARE * known_count:
        return [Column(name, source, Kind.NUMBER, key)] if _varies(as_numbers) else []
    return _of_category(name, source, key, values, workflow_ids)


def _of_category(
    name: str, source: str, key: str | None, values: pd.Series, workflow_ids: pd.Series
) -> list[Column]:
    codes, distinct = pd.factorize(values.map(scalar, na_action="ignore"))
    pairs = pd.DataFrame({"code": codes, "workflow": pd.factorize(workflow_ids)[0]})
    counts: Counter[str] = Counter()
    pairs = pairs[pairs["code"] >= 0].drop_duplicates()
    for value, count in zip(
        distinct, np.bincount(pairs["code"], minlength=len(distinct)), strict=True
    ):
        counts[level_of(value)] += int(count)
    frequent = [(level, n) for level, n in counts.items() if n >= _LEAST_WORKFLOWS_OF_LEVEL]
    frequent.sort(key=lambda item: (-item[1], item[0]))
    levels = tuple(level for level, _ in frequent[:_MOST_LEVELS])
    has_other = len(counts) > len(levels) or bool((codes < 0).any())
    if not levels or len(levels) + has_other < _FEW_CODES:
        return []
    return [Column(name, source, Kind.CATEGORY, key, levels)]


def _frequent_keys(texts: pd.Series) -> list[str]:
    codes, distinct = pd.factorize(texts)
    sizes = np.bincount(codes[codes >= 0], minlength=len(distinct))
    counts: Counter[str] = Counter()
    for text, size in zip(distinct, sizes, strict=True):
        for key, value in parse_object(text).items():
            if scalar(value) is not None:
                counts[key] += int(size)
    enough = [k for k, n in counts.items() if n >= _LEAST_SHARE_OF_KEY * len(texts)]
    return sorted(sorted(enough), key=lambda k: -counts[k])[:_MOST_KEYS]


def _varies(values: Matrix | pd.Series) -> bool:
    return len(pd.unique(values)) > 1
