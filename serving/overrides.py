"""Values of features in the place of those that were read, each checked by name and type."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Final

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from pipelines.contracts import Model
from pipelines.learning.encode import Column, Kind
from pipelines.learning.encode_values import parse_object
from pipelines.store.online_rows import ServiceRows
from serving.features import REQUEST_TIME_NAMES, TIMES, completed
from serving.fields import Moment
from serving.problems import InvalidRequestError

_MOMENT: Final = TypeAdapter[datetime](Moment)
_SHOWN: Final = 5

Overrides = Mapping[str, str | float | int | bool | None]


def overridden(
    features: ServiceRows, known: Iterable[Column], overrides: Overrides, model: Model
) -> ServiceRows:
    """Put values in the place of what was read, the same for each thing asked about.

    What follows from a time, as the slack from the due date, is computed anew, unless it is
    among the values itself.

    Args:
        features: a row for each.
        known: what the version that answers reads.
        overrides: by the names of `known`.
        model: that is asked.

    Raises:
        InvalidRequestError: the version has no such feature, or the feature no such value; names
            each as `overrides.<feature>`.
    """
    # A model may know of the due date by the slack alone.
    columns = {name: Column(name, name, Kind.AGE) for name in TIMES}
    columns |= {column.name: column for column in known}
    rows = features.rows()
    changes: dict[str, list[Any]] = {}
    faults: list[dict[str, str]] = []
    for name, value in overrides.items():
        column = columns.get(name)
        try:
            if column is None:
                raise ValueError(no_such_feature(name, list(columns), model))  # noqa: TRY301
            if column.key is None:
                said = _value(value, column, features.types[column.source])
                changes[name] = [said] * len(rows)
            else:
                had = changes.get(column.source) or [row[column.source] for row in rows]
                changes[column.source] = [_with_key(text, column.key, value) for text in had]
        except ValueError as err:
            faults.append({"field": f"overrides.{name}", "message": str(err)})
    refuse(faults)
    now = {name: values for name, values in changes.items() if name in REQUEST_TIME_NAMES}
    read = {name: values for name, values in changes.items() if name not in now}
    # Later than the others' is only the moment of what became known later.
    as_of = min(row["as_of"] for row in rows)
    return completed(features.with_columns(read, {}), as_of).with_columns(now, {})


def no_such_feature(name: str, names: Sequence[str], model: Model) -> str:
    """Say that a model has no such feature, and which of those it has are meant perhaps."""
    return f"{model} has no such feature; among the {len(names)} it has are {near(name, names)}"


def near(name: str, names: Sequence[str]) -> str:
    """Return those names that are most like one, or any."""
    return ", ".join(get_close_matches(name, names, _SHOWN, cutoff=0.3) or names[-_SHOWN:])


def refuse(faults: Sequence[Mapping[str, str]]) -> None:
    """Refuse a question for the faults in it, if there are any.

    Raises:
        InvalidRequestError: there are; names the field of each.
    """
    if faults:
        said = "; ".join(f"{fault['field']}: {fault['message']}" for fault in faults)
        raise InvalidRequestError(f"{said}.", errors=list(faults))


def _value(value: Any, column: Column, dtype: pa.DataType) -> Any:
    """Return a value of a feature's own type.

    Raises:
        ValueError: it is of another.
    """
    if value is None:
        return None
    if pa.types.is_boolean(dtype):
        return _of(value, bool, "true or false")
    if pa.types.is_integer(dtype):
        return _of(value, int, "a whole number")
    if pa.types.is_floating(dtype):
        return float(_of(value, int | float, "a number"))
    if column.kind is Kind.AGE:
        try:
            return _MOMENT.validate_python(value)
        except ValidationError as err:
            raise ValueError(err.errors()[0]["msg"]) from None
    return _of(value, str, "a text")


def _of(value: Any, kind: Any, words: str) -> Any:
    if isinstance(value, bool) is not (kind is bool) or not isinstance(value, kind):
        raise ValueError(f"should be {words} or null")
    return value


def _with_key(text: Any, key: str, value: Any) -> str:
    """Return an object's JSON with a key set; what is null is not there."""
    members = {**parse_object(text), key: value}
    return json.dumps({name: held for name, held in members.items() if held is not None})
