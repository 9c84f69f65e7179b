from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pytest

from pipelines.history.mapping import Reading
from pipelines.history.moments import parse_moments
from tests.history.conftest import NOW


def parse(*texts: str | None, **reading: object) -> list[str]:
    moments = parse_moments(pa.array(texts, pa.string()), Reading.model_validate(reading), NOW)
    said = []
    for value, unparsable, impossible in zip(
        moments.instants, moments.is_unparsable, moments.is_impossible, strict=True
    ):
        text = "" if pd.isna(value) else value.isoformat()
        text = "unparsable" if unparsable else text
        said.append("impossible" if impossible else text.removesuffix("+00:00"))
    return said


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05"),
        ("2020-01-02T03:04:05.678+02:00", "2020-01-02T01:04:05.678000"),
        ("2020-01-02 03:04:05.123456-0530", "2020-01-02T08:34:05.123456"),
        ("2020-01-02T03:04:05.123456789+01", "2020-01-02T02:04:05.123456"),
        ("2020-01-02 03:04", "2020-01-02T03:04:00"),
        ("2020/01/02 03:04:05.000", "2020-01-02T03:04:05"),
        ("2020-01-02", "2020-01-02T00:00:00"),
        ("", "unparsable"),
        ("soon", "unparsable"),
        ("2020-02-30 10:00", "unparsable"),
        ("3/4/2020 10:00", "unparsable"),
        ("1970-01-01T00:00:00Z", "impossible"),
        ("0001-01-01T00:00:00", "impossible"),
        ("9999-12-31 00:00:00", "impossible"),
        ("2024-06-01T23:59:00Z", "2024-06-01T23:59:00"),
        ("2024-06-02T00:00:01Z", "impossible"),
    ],
)
def test_iso_times(text: str, instant: str) -> None:
    assert parse(text) == [instant]
    # Beside a time the quick way cannot read, it must read the same.
    assert parse(text, "never")[0] == instant


def test_mixed_offsets_and_missing_times_stand_side_by_side() -> None:
    assert parse("2020-01-01T00:00+01:00", None, "2020-01-01T00:00-01:00", "2020-01-01T00:00") == [
        "2019-12-31T23:00:00",
        "",
        "2020-01-01T01:00:00",
        "2020-01-01T00:00:00",
    ]
    assert parse(None, None) == ["", ""]


@pytest.mark.parametrize(
    ("text", "day_first", "month_first"),
    [
        ("3/4/2020 5:06", "2020-04-03T05:06:00", "2020-03-04T05:06:00"),
        ("29/2/2020", "2020-02-29T00:00:00", "unparsable"),
        ("2/29/2020 5:06:07", "unparsable", "2020-02-29T05:06:07"),
        ("03.04.2020 05:06:07.5", "2020-04-03T05:06:07.500000", "2020-03-04T05:06:07.500000"),
        ("03-04-2020 05:06:07 PM", "2020-04-03T17:06:07", "2020-03-04T17:06:07"),
        ("2020-04-03 05:06", "2020-04-03T05:06:00", "2020-04-03T05:06:00"),
    ],
)
def test_the_day_is_where_the_mapping_says(text: str, day_first: str, month_first: str) -> None:
    assert parse(text, day_first=True) == [day_first]
    assert parse(text, day_first=False) == [month_first]


def test_explicit_formats_are_tried_in_turn_and_alone() -> None:
    formats = ["%d.%m.%y %H:%M", "%Y%m%d%H%M%S", "%d.%m.%Y %H:%M %z", "unix_ms"]
    texts = ["01.02.20 03:04", "20200102030405", "01.02.2020 03:04 +0200", "1577934245678"]
    assert parse(*texts, "2020-01-02 03:04", timestamp_formats=formats) == [
        "2020-02-01T03:04:00",
        "2020-01-02T03:04:05",
        "2020-02-01T01:04:00",
        "2020-01-02T03:04:05.678000",
        "unparsable",
    ]
    assert parse("1577934245", timestamp_formats=["unix_s"]) == ["2020-01-02T03:04:05"]


@pytest.mark.parametrize(
    ("local", "instant"),
    [
        ("2020-01-15 12:00", "2020-01-15T11:00:00"),
        ("2020-07-15 12:00", "2020-07-15T10:00:00"),
        ("2020-10-25 02:30", "2020-10-25T00:30:00"),  # comes twice: the first, in summer time
        ("2020-10-25 03:00", "2020-10-25T02:00:00"),
        ("2020-03-29 02:30", "2020-03-29T01:00:00"),  # is skipped: the first instant after
        ("2020-03-29 02:30+00:00", "2020-03-29T02:30:00"),
    ],
)
def test_local_times_follow_their_zone(local: str, instant: str) -> None:
    assert parse(local, time_zone="Europe/Rome") == [instant]


def test_the_mapping_may_narrow_the_plausible_time() -> None:
    reading = {
        "earliest": datetime(2020, 1, 1, tzinfo=UTC),
        "latest": datetime(2021, 1, 1, tzinfo=UTC),
    }
    assert parse("2019-12-31T23:59Z", "2020-01-01T00:00Z", "2022-01-01", **reading) == [
        "impossible",
        "2020-01-01T00:00:00",
        "impossible",
    ]
