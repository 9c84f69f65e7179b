"""Turn feature rows into the numbers LightGBM reads, the same way in training and serving.

What is learned from training rows (which attributes exist, which are numbers, the levels of a
category) is plain data, kept in a model's spec.json.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.columns import AS_OF, require_columns
from pipelines.learning.encode_values import (
    Matrix,
    age_s,
    code_of,
    column_values,
    expand_json,
    level_of,
    numbers,
    numbers_of,
    parse_object,
    scalar,
)

# Up to about as many, rows are encoded faster one by one than by pandas.
FEW_ROWS: Final = 50


class Kind(StrEnum):
    """How a value becomes a number."""

    NUMBER = "number"  # itself
    AGE = "age"  # a UTC time: seconds before as_of, never the date itself
    CATEGORY = "category"  # position among the levels; one past the last for any other value


@dataclass(frozen=True)
class Column:
    """One column of the matrix: where its value is found and how it is read."""

    name: str
    source: str  # column of the feature frame
    kind: Kind
    key: str | None = None  # key inside the source's JSON object
    levels: tuple[str, ...] = ()


class _Part(NamedTuple):
    """Columns of the matrix that are read from one JSON object, or from no object."""

    json_source: str | None
    numbers: list[int]  # positions
    number_names: list[str]  # sources, or keys of the object
    categories: list[tuple[int, str, dict[str, float], float]]  # codes of levels, and of any other


@dataclass(frozen=True)
class Encoder:
    """Columns of the matrix, in order, fitted on training rows by `fit_encoder`."""

    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """Names of the matrix's columns."""
        return [column.name for column in self.columns]

    @property
    def categorical(self) -> list[int]:
        """Positions of the columns that hold category codes."""
        return [i for i, column in enumerate(self.columns) if column.kind is Kind.CATEGORY]

    @cached_property
    def sources(self) -> list[str]:
        """Columns a feature frame must have, `as_of` among them where an age is taken."""
        needed = dict.fromkeys(column.source for column in self.columns)
        if any(column.kind is Kind.AGE for column in self.columns):
            needed[AS_OF] = None
        return list(needed)

    def matrix(self, frame: pd.DataFrame) -> Matrix:
        """Encode a feature frame into float64 (rows, columns); missing values are NaN.

        Raises:
            TrainingError: a column the model was trained on is missing.
        """
        require_columns(frame, self.sources, "rows to predict")
        if len(frame) <= FEW_ROWS:
            return self.matrix_of_rows(self._with_times(frame[self.sources]).to_dict("records"))
        keys: dict[str, set[str]] = {}
        for column in self.columns:
            if column.key is not None:
                keys.setdefault(column.source, set()).add(column.key)
        parsed = {
            source: expand_json(frame[source], sorted(wanted)) for source, wanted in keys.items()
        }
        result = np.empty((len(frame), len(self.columns)))
        for i, column in enumerate(self.columns):
            of = frame[column.source] if column.key is None else parsed[column.source][column.key]
            result[:, i] = _encode(of, column, frame)
        return result

    def row(self, values: Mapping[Any, Any]) -> Matrix:
        """Encode one row given as column -> value into float64 (1, columns), without pandas.

        Raises:
            TrainingError: a column the model was trained on is missing.
        """
        try:
            objects = {p.json_source: parse_object(values[p.json_source]) for p in self._objects}
            found = [
                values[c.source] if c.key is None else objects[c.source].get(c.key)
                for c in self.columns
            ]
            ages = [(i, age_s(values[source], values[AS_OF])) for i, source in self._ages]
        except KeyError as err:
            raise self._lacking(str(err.args[0])) from err
        for part in self._parts:
            for i, _, codes, other in part.categories:
                found[i] = code_of(found[i], codes, other)
        for i, age in ages:
            found[i] = age
        return numbers_of([found])

    def matrix_of_rows(self, rows: Sequence[Mapping[Any, Any]]) -> Matrix:
        """Encode some rows as `row` does.

        Raises:
            TrainingError: a column the model was trained on is missing.
        """
        if len(rows) == 1:  # alone it shall not pay for what serves many
            return self.row(rows[0])
        try:
            return self.matrix_of_columns({s: [row[s] for row in rows] for s in self.sources})
        except KeyError as err:
            raise self._lacking(str(err.args[0])) from err

    def matrix_of_columns(self, columns: Mapping[str, Sequence[Any]]) -> Matrix:
        """Encode rows given as column -> plain values, as `matrix` does but without pandas.

        Raises:
            TrainingError: a column the model was trained on is missing.
        """
        missing = next((s for s in self.sources if s not in columns), None)
        if missing is not None:
            raise self._lacking(missing)
        result = np.empty((len(columns[self.sources[0]]), len(self.columns)))
        for part in self._parts:
            values, places = column_values(columns, part.json_source)
            if part.numbers:
                numbers = numbers_of([values(of) for of in part.number_names]).T
                result[:, part.numbers] = numbers if places is None else numbers[places]
            for i, of, codes, other in part.categories:
                # Most are texts, and those need no call.
                found = [
                    codes.get(value, other) if type(value) is str else code_of(value, codes, other)
                    for value in values(of)
                ]
                result[:, i] = found if places is None else [found[place] for place in places]
        for i, source in self._ages:
            result[:, i] = list(map(age_s, columns[source], columns[AS_OF]))
        return result

    def _lacking(self, name: str) -> TrainingError:
        return TrainingError(
            f"The row to predict lacks the column {name}; it needs {', '.join(self.sources)}."
        )

    def levels_of(self, column: str, matrix: Matrix) -> npt.NDArray[np.object_]:
        """Return the level of a category column in each row; "" for a rare or missing one.

        Args:
            column: its name, one of `names`.
            matrix: encoded rows.
        """
        position, levels = self._levels[column]
        codes = np.nan_to_num(matrix[:, position], nan=len(levels) - 1)
        result: npt.NDArray[np.object_] = levels[codes.astype(int)]
        return result

    def _with_times(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Read times that are texts, as a frame that came as JSON has them."""
        names = {AS_OF, *(c.source for c in self.columns if c.kind is Kind.AGE)}
        texts = [name for name in frame if name in names and frame[name].dtype.kind != "M"]
        return frame.assign(**{name: pd.to_datetime(frame[name], utc=True) for name in texts})

    @cached_property
    def _levels(self) -> dict[str, tuple[int, npt.NDArray[np.object_]]]:
        """Position and levels of each column, "" behind them, by its name."""
        return {
            column.name: (position, np.array([*column.levels, ""], dtype=object))
            for position, column in enumerate(self.columns)
        }

    @cached_property
    def _parts(self) -> list[_Part]:
        """The columns but for ages, by the JSON object they are in; the others are one part."""
        objects = dict.fromkeys(None if c.key is None else c.source for c in self.columns)
        parts = {source: _Part(source, [], [], []) for source in objects}
        for i, column in enumerate(self.columns):
            part = parts[None if column.key is None else column.source]
            name = column.source if column.key is None else column.key
            if column.kind is Kind.NUMBER:
                part.numbers.append(i)
                part.number_names.append(name)
            elif column.kind is Kind.CATEGORY:
                part.categories.append((i, name, _codes(column), float(len(column.levels))))
        return list(parts.values())

    @cached_property
    def _objects(self) -> list[_Part]:
        """The parts that are JSON objects."""
        return [part for part in self._parts if part.json_source is not None]

    @cached_property
    def _ages(self) -> list[tuple[int, str]]:
        """Of each age: position and source."""
        return [(i, c.source) for i, c in enumerate(self.columns) if c.kind is Kind.AGE]

    def to_spec(self) -> list[dict[str, Any]]:
        """Return the columns as plain data for JSON."""
        return [asdict(column) for column in self.columns]

    @classmethod
    def from_spec(cls, spec: Sequence[Mapping[str, Any]]) -> Self:
        """Read the columns back from `to_spec`'s data."""
        return cls(
            tuple(
                Column(**{**c, "kind": Kind(c["kind"]), "levels": tuple(c["levels"])}) for c in spec
            )
        )


def _encode(series: pd.Series, column: Column, frame: pd.DataFrame) -> Matrix:
    if column.kind is Kind.NUMBER:
        return numbers(series)
    if column.kind is Kind.AGE:
        age = pd.to_datetime(frame[AS_OF], utc=True) - pd.to_datetime(series, utc=True)
        return np.asarray(age.dt.total_seconds(), dtype=np.float64)
    codes, distinct = pd.factorize(series)
    of_level = {level: float(i) for i, level in enumerate(column.levels)}
    other = float(len(column.levels))
    of_code = np.array(
        [
            *(
                math.nan if scalar(v) is None else of_level.get(level_of(v), other)
                for v in distinct
            ),
            math.nan,
        ]
    )
    return of_code[codes]  # pandas codes a missing value -1: the last one


def _codes(column: Column) -> dict[str, float]:
    return {**{level: float(i) for i, level in enumerate(column.levels)}, "": math.nan}
