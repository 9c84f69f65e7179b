"""Values of feature rows as numbers: what is in a JSON object, a number, a level, an age."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.errors import TrainingError

Matrix = npt.NDArray[np.float64]


def parse_object(text: object) -> dict[str, Any]:
    """Parse a JSON object; anything else, a missing value included, is an empty one."""
    if isinstance(text, Mapping):
        return dict(text)
    if not isinstance(text, str) or len(text) < len('{"":0}'):
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def column_values(
    columns: Mapping[str, Sequence[Any]], json_source: str | None
) -> tuple[Callable[[str], Sequence[Any]], list[int] | None]:
    """Return what gives a column's values, and where each row's stands, unless row for row.

    Of JSON objects the distinct ones: rows of one question often share theirs.
    """
    if json_source is None:
        return columns.__getitem__, None
    distinct: list[dict[str, Any]] = []
    places: list[int] = []
    known: dict[str, int] = {}
    for value in columns[json_source]:
        place = known.get(value) if isinstance(value, str) else None
        if place is None:
            place = len(distinct)
            distinct.append(parse_object(value))
            if isinstance(value, str):
                known[value] = place
        places.append(place)
    is_each = len(distinct) == len(places)
    return lambda key: [of.get(key) for of in distinct], None if is_each else places


def expand_json(texts: pd.Series, keys: Sequence[str]) -> dict[str, pd.Series]:
    """Return one object column per key; each distinct text is parsed once."""
    codes, distinct = pd.factorize(texts)
    objects = [parse_object(text) for text in distinct]
    expanded = {}
    for key in keys:
        values = np.array([*(scalar(o.get(key)) for o in objects), None], dtype=object)
        expanded[key] = pd.Series(values[codes], index=texts.index)
    return expanded


def scalar(value: object) -> object:
    """Return what can be a level or a number; an empty text, a list or an object cannot."""
    return None if isinstance(value, list | dict) or value == "" else value


def level_of(value: object) -> str:
    """Return the text that names a category's level: 3, 3.0 and "3" are one level."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def to_number(value: object) -> float:
    """Read a value as a finite number; NaN where it is none."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if -math.inf < number < math.inf else math.nan


def numbers_of(columns: list[Sequence[Any]]) -> Matrix:
    """Read values as `to_number` does; NumPy reads most columns at once."""
    try:
        read = np.array(columns, dtype=np.float64)  # None is NaN
    except (TypeError, ValueError, OverflowError):
        return np.array([[to_number(value) for value in column] for column in columns])
    read[~np.isfinite(read)] = np.nan
    return read


def numbers(series: pd.Series) -> Matrix:
    """Read a column as finite float64; NaN where a value is none."""
    values: Matrix = np.array(
        pd.to_numeric(series, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    )
    values[~np.isfinite(values)] = np.nan
    return values


def code_of(value: object, codes: Mapping[str, float], other: float) -> float:
    """Return a value's code among those of the levels; NaN for a missing one."""
    value = None if _is_missing(value) else scalar(value)
    return math.nan if value is None else codes.get(level_of(value), other)


def age_s(earlier: object, later: object) -> float:
    """Return the seconds from an earlier moment to a later one; NaN where that is missing.

    Raises:
        TrainingError: one of them is no datetime.
    """
    if _is_missing(earlier):
        return math.nan
    if not isinstance(earlier, datetime) or not isinstance(later, datetime):
        raise TrainingError(f"Times must be datetimes with a time zone: {earlier!r}, {later!r}.")
    return (later - earlier).total_seconds()


def _is_missing(value: object) -> bool:
    # NaN and NaT are the values that differ from themselves.
    return value is None or value is pd.NA or value != value  # noqa: PLR0124
