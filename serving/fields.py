"""What the fields of a question may hold, whatever is asked: ids, moments, plain values.

What PostgreSQL, pandas or JSON has no place for is refused here, where the field can be named.
"""

import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

MAX_ID_LENGTH: Final = 200
MAX_TEXT_LENGTH: Final = 2_000
NO_NUL: Final = r"^[^\x00]*$"  # the one character that PostgreSQL has no place for
EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)  # well within a 64-bit count of nanoseconds
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")
_EXACT: Final = 2**53  # beyond it a float no longer tells whole numbers apart

Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, pattern=NO_NUL)]

# A name that a person gives, surrounding spaces aside.
Name = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=MAX_ID_LENGTH, strip_whitespace=True, pattern=NO_NUL
    ),
]
# JSON has no ids of its own.
GivenId = Annotated[UUID, Field(strict=False)]


def _written(value: Any) -> Any:
    """Take no bare numbers, of which nobody knows whether they are seconds or milliseconds."""
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC3339.match(value)):
        return value
    raise PydanticCustomError("moment_type", "Input should be a date and time as of RFC 3339")


def _within_reach(moment: datetime) -> datetime:
    if not EARLIEST <= moment < LATEST:
        raise PydanticCustomError(
            "moment_range",
            "Input should not be before {first} nor from {end} on",
            {"first": EARLIEST.year, "end": LATEST.year},
        )
    return moment.astimezone(UTC)


Moment = Annotated[
    AwareDatetime,
    Field(strict=False, description="With an offset; from the year 1900 on, and before 2200."),
    BeforeValidator(_written),
    AfterValidator(_within_reach),
]


def _plain(value: Any) -> str | float | int | bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if "\x00" in value:
            raise PydanticCustomError("value_nul", "Input should hold no NUL character")
        if len(value) > MAX_TEXT_LENGTH:
            raise PydanticCustomError(
                "value_length", "Input should have at most {most} characters",
                {"most": MAX_TEXT_LENGTH},
            )  # fmt: skip
        return value
    if isinstance(value, int) and abs(value) <= _EXACT:
        return value
    if isinstance(value, int | float):
        try:
            if math.isfinite(number := float(value)):
                return number
        except OverflowError:
            pass
        raise PydanticCustomError("finite_number", "Input should be a finite number")
    raise PydanticCustomError("value_type", "Input should be a text, a number, a truth or null")


def _number(value: Any) -> float | int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("number_type", "Input should be a number or null")
    if not abs(value) <= _EXACT:  # nor is NaN
        raise PydanticCustomError(
            "number_range", "Input should be a finite number, of at most {most}", {"most": _EXACT}
        )
    return value


PlainValue = Annotated[
    str | float | int | bool | None,
    PlainValidator(_plain),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "maxLength": MAX_TEXT_LENGTH, "pattern": NO_NUL},
                {"type": "number"},
                {"type": "boolean"},
                {"type": "null"},
            ]
        }
    ),
]

# Of those a model of 32-bit floats reads, and an answer may repeat.
NumberOrNull = Annotated[
    float | int | None,
    PlainValidator(_number),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": -_EXACT, "maximum": _EXACT}, {"type": "null"}]}
    ),
]
