"""Partitions of an interval: whole, in order, half-open."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pipelines.errors import ExtractError
from pipelines.extract.intervals import PartitionUnit, partition_start, partitions


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("moment", "unit", "expected"),
    [
        (utc(2024, 2, 29, 23, 59, 59, 999_999), "day", utc(2024, 2, 29)),
        (utc(2024, 2, 29, 23, 59, 59, 999_999), "month", utc(2024, 2, 1)),
        (utc(2024, 3, 1), "month", utc(2024, 3, 1)),
        # Half past midnight in Rome in summer is still the evening before in UTC.
        (
            datetime(2024, 7, 1, 0, 30, tzinfo=timezone(timedelta(hours=2))),
            "month",
            utc(2024, 6, 1),
        ),
    ],
)
def test_start(moment: datetime, unit: PartitionUnit, expected: datetime) -> None:
    assert partition_start(moment, unit) == expected


@pytest.mark.parametrize(
    ("start", "end", "unit", "expected"),
    [
        (utc(2024, 1, 1), utc(2024, 2, 1), "month", [(utc(2024, 1, 1), utc(2024, 2, 1))]),
        (
            utc(2023, 12, 31, 23),
            utc(2024, 1, 1, 0, 0, 0, 1),
            "month",
            [(utc(2023, 12, 1), utc(2024, 1, 1)), (utc(2024, 1, 1), utc(2024, 2, 1))],
        ),
        (
            utc(2024, 2, 28, 12),
            utc(2024, 3, 1),
            "day",
            [(utc(2024, 2, 28), utc(2024, 2, 29)), (utc(2024, 2, 29), utc(2024, 3, 1))],
        ),
    ],
)
def test_partitions(
    start: datetime, end: datetime, unit: PartitionUnit, expected: list[tuple[datetime, datetime]]
) -> None:
    assert partitions(start, end, unit) == expected


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (utc(2024, 1, 2), utc(2024, 1, 2), "empty"),
        (utc(2024, 1, 2), utc(2024, 1, 1), "empty"),
        (datetime(2024, 1, 1), utc(2024, 1, 2), "time zone"),  # noqa: DTZ001
        (utc(2024, 1, 1), datetime(2024, 1, 2), "time zone"),  # noqa: DTZ001
    ],
)
def test_refused_intervals(start: datetime, end: datetime, message: str) -> None:
    with pytest.raises(ExtractError, match=message):
        partitions(start, end, "day")
