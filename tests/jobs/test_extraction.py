"""Which interval a run of the DAG extracts."""

from datetime import UTC, datetime

import pytest

from pipelines.errors import ExtractError
from pipelines.jobs.extraction import requested_interval

MAY, JUNE, JULY = (f"2024-0{month}-01T00:00:00+00:00" for month in (5, 6, 7))


def at(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@pytest.mark.parametrize(
    ("start", "end", "events", "expected"),
    [
        (None, None, [], (None, None)),
        (None, None, [{}], (None, None)),
        (MAY, JUNE, [], (MAY, JUNE)),
        (None, None, [{"start": MAY, "end": JUNE}], (MAY, JUNE)),
        (None, None, [{"start": JUNE, "end": JULY}, {"start": MAY, "end": JUNE}], (MAY, JULY)),
        (None, None, [{"end": JUNE}], (None, JUNE)),
        (None, None, [{"start": JUNE, "end": JULY}, {"end": JUNE}], (None, JULY)),
        (None, None, [{"start": MAY, "end": JUNE}, {}], (None, None)),
        (JUNE, None, [{"start": MAY, "end": JULY}], (JUNE, JULY)),
    ],
)
def test_parameters_come_before_what_the_events_cover_together(
    start: str | None,
    end: str | None,
    events: list[dict[str, str]],
    expected: tuple[str | None, str | None],
) -> None:
    assert requested_interval(start, end, events) == (at(expected[0]), at(expected[1]))


def test_an_offset_is_kept_as_the_same_moment() -> None:
    start, _ = requested_interval("2024-05-01T02:00:00+02:00", None, [])
    assert start == datetime(2024, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("yesterday", None, "start is not a moment: 'yesterday'"),
        ("2024-05-01T00:00:00", None, "start has no offset from UTC"),
        (JUNE, MAY, "is empty: start must lie before end"),
    ],
)
def test_what_is_no_interval_is_refused(start: str, end: str | None, message: str) -> None:
    with pytest.raises(ExtractError, match=message):
        requested_interval(start, end, [])
