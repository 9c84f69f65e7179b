from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError, create_model

from serving.allocation_schemas import PersonToPlan
from serving.fields import Id, Moment, NumberOrNull, PlainValue
from serving.schemas import Strict
from serving.template_schemas import NewWorkflow


def taken(kind: Any, value: Any) -> Any:
    """What a question's field of that kind makes of a value."""
    return create_model("Asked", __base__=Strict, value=(kind, ...))(value=value).value  # type: ignore[attr-defined]


def fault(kind: Any, value: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        taken(kind, value)
    (error,) = caught.value.errors()
    return str(error["type"])


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-01T10:00:00+02:00", datetime(2024, 5, 1, 8, tzinfo=UTC)),
        ("1900-01-01T00:00:00Z", datetime(1900, 1, 1, tzinfo=UTC)),
        ("2199-12-31t23:59:59z", datetime(2199, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_moments_are_utc(text: str, moment: datetime) -> None:
    found = taken(Moment, text)
    assert (found, found.utcoffset()) == (moment, moment.utcoffset())


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (1_717_580_581, "moment_type"),
        ("1717580581", "moment_type"),
        ("2024-05-01", "moment_type"),
        ("2024-05-01T10:00:00", "timezone_aware"),
        # Either overflows where it is brought to UTC.
        ("0001-01-01T00:00:00+14:00", "moment_range"),
        ("9999-12-31T23:59:59-14:00", "moment_range"),
        ("2200-01-01T00:00:00Z", "moment_range"),
    ],
)
def test_what_is_no_moment(value: Any, type_: str) -> None:
    assert fault(Moment, value) == type_


@pytest.mark.parametrize("value", ["", "x" * 2_000, True, None, -(2**53), 2**53, 0.5, 1e300])
def test_plain_values_stay_as_they_are(value: Any) -> None:
    found = taken(PlainValue, value)
    assert (found, type(found)) == (value, type(value))


def test_whole_numbers_that_no_float_tells_apart_become_floats() -> None:
    found = taken(PlainValue, 10**30)
    assert (found, type(found)) == (1e30, float)


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ("a\x00", "value_nul"),
        ("x" * 2_001, "value_length"),
        (float("nan"), "finite_number"),
        (float("-inf"), "finite_number"),
        (10**400, "finite_number"),
        ([], "value_type"),
        ({}, "value_type"),
    ],
)
def test_what_is_no_plain_value(value: Any, type_: str) -> None:
    assert fault(PlainValue, value) == type_


@pytest.mark.parametrize("value", [0, 0.0, -1.5, None, 2**53, -(2**53)])
def test_numbers_stay_as_they_are(value: Any) -> None:
    found = taken(NumberOrNull, value)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ("1", "number_type"),
        (True, "number_type"),
        ([], "number_type"),
        (float("nan"), "number_range"),
        (float("-inf"), "number_range"),
        (2**53 + 1, "number_range"),
        (-1e300, "number_range"),
        (10**400, "number_range"),
    ],
)
def test_what_is_no_number(value: Any, type_: str) -> None:
    assert fault(NumberOrNull, value) == type_


@pytest.mark.parametrize("value", ["", "a\x00b", "x" * 201, 1, None])
def test_what_is_no_id(value: Any) -> None:
    assert fault(Id, value).startswith("string_")


def test_a_fault_of_an_attribute_is_told_once_and_by_its_name() -> None:
    with pytest.raises(ValidationError) as caught:
        NewWorkflow(attributes={"amount": [1]})  # type: ignore[dict-item]
    assert [error["loc"] for error in caught.value.errors()] == [("attributes", "amount")]


def test_periods_of_work_are_lists_in_json() -> None:
    periods = [["2024-05-01T08:00:00Z", "2024-05-01T12:00:00Z"]]
    person = PersonToPlan.model_validate({"person_id": "ann", "working": periods})
    day = datetime(2024, 5, 1, tzinfo=UTC)
    assert person.working == ((day.replace(hour=8), day.replace(hour=12)),)


def test_a_period_that_ends_before_it_begins_is_named() -> None:
    moment = "2024-05-01T08:00:00Z"
    with pytest.raises(ValidationError) as caught:
        PersonToPlan.model_validate({"person_id": "ann", "working": [[moment, moment]]})
    (error,) = caught.value.errors()
    assert (error["loc"], error["type"]) == (("working", 0), "period_order")
