"""Working time against hand counts and against counting minute by minute."""

from datetime import datetime, timedelta
from random import Random

import ibis
import pytest
from ibis.backends.duckdb import Backend

from pipelines.features.calendar import working_seconds
from pipelines.features.timing import microseconds
from tests.features.tables import at

HOUR = 3600
START, END = 8, 18


def _working_seconds(connection: Backend, start: datetime, end: datetime) -> float:
    ends = (ibis.literal(moment, type="timestamp('UTC')") for moment in (start, end))
    return float(connection.execute(working_seconds(*map(microseconds, ends))))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (at(0, 9), at(0, 10), HOUR),
        (at(0, 9), at(0, 9), 0),
        (at(0, 6), at(0, 8), 0),
        (at(0, 6), at(0, 9), HOUR),
        (at(0, 17), at(0, 23), HOUR),
        (at(0, 17), at(1, 9), 2 * HOUR),
        (at(4, 17), at(7, 9), 2 * HOUR),  # Friday to Monday
        (at(5, 9), at(6, 20), 0),  # the weekend
        (at(0), at(7), 50 * HOUR),
        (at(3, 12), at(3 + 364, 12), 52 * 50 * HOUR),
        (at(0, 9, 0.25), at(0, 9, 0.75), 0.5),
        (at(1, 9), at(0, 9), -10 * HOUR),
        (at(-7, 9), at(0, 9), 50 * HOUR),
        (at(-20_000, 0), at(-20_000 + 7, 0), 50 * HOUR),  # before 1970
    ],
)
def test_working_seconds(
    connection: Backend, start: datetime, end: datetime, expected: float
) -> None:
    assert _working_seconds(connection, start, end) == expected


def test_working_seconds_equal_a_count_of_minutes(connection: Backend) -> None:
    random = Random(7)  # noqa: S311 - a test's dice
    for _ in range(10):
        start = at(random.randrange(14), minute_hours := random.randrange(24 * 60) / 60)
        minutes = random.randrange(14 * 24 * 60)
        moments = (start + timedelta(minutes=n) for n in range(minutes))
        count = sum(m.weekday() < 5 and START <= m.hour < END for m in moments)
        got = _working_seconds(connection, start, start + timedelta(minutes=minutes))
        assert got == count * 60, (start, minutes, minute_hours)


def test_unknown_end_is_unknown(connection: Backend) -> None:
    start = microseconds(ibis.literal(at(0), type="timestamp('UTC')"))
    table = ibis.memtable({"end_us": [None]}, schema={"end_us": "int64"})
    result = connection.execute(working_seconds(start, table.end_us))
    assert result.isna().all()
