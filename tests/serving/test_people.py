from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pipelines.learning.allocation import AvailablePerson
from serving.people import Person
from serving.plan_durations import _working_hours

MONDAY = datetime(2024, 1, 8, 12, tzinfo=UTC)


def test_hours_are_local_and_begin_with_what_is_left_of_today() -> None:
    hours = {"1": [["09:00", "12:00"], ["13:00", "17:00"]], "3": [["22:00", "23:00"]]}
    person = Person("p", None, "Europe/Berlin", hours)
    periods = [
        (begin.astimezone(UTC), end.astimezone(UTC)) for begin, end in person.periods(MONDAY, 7)
    ]
    assert periods == [
        (MONDAY, MONDAY + timedelta(hours=4)),  # 13 to 17 in Berlin's winter
        (datetime(2024, 1, 10, 21, tzinfo=UTC), datetime(2024, 1, 10, 22, tzinfo=UTC)),
        (datetime(2024, 1, 15, 8, tzinfo=UTC), datetime(2024, 1, 15, 11, tzinfo=UTC)),
        (datetime(2024, 1, 15, 12, tzinfo=UTC), datetime(2024, 1, 15, 16, tzinfo=UTC)),
    ]


def test_where_nothing_is_known_it_is_nine_to_five() -> None:
    periods = Person("p", None, None, {}).periods(MONDAY, 6)
    assert len(periods) == 5
    assert periods[0] == (MONDAY.replace(hour=9), MONDAY.replace(hour=17))


def test_the_hour_that_clocks_leave_out_is_no_work() -> None:
    saturday = datetime(2024, 3, 30, 12, tzinfo=UTC)
    nights = Person("p", None, "Europe/Berlin", {"7": [["02:30", "03:15"], ["03:15", "04:00"]]})
    first, second = (datetime(2024, 3, 31, 1, 15, tzinfo=UTC), datetime(2024, 3, 31, 2, tzinfo=UTC))
    assert nights.periods(saturday, 2) == ((first, second),)


def test_hours_that_end_before_they_begin_are_none() -> None:
    saturday = datetime(2024, 3, 30, 12, tzinfo=UTC)
    # The second pair would be an hour where clocks are put forward.
    for hours in (["22:00", "06:00"], ["03:00", "02:59"]):
        assert Person("p", None, "Europe/Berlin", {"7": [hours]}).periods(saturday, 2) == ()


def test_the_same_hours_differ_by_zone_moment_and_horizon() -> None:
    hours = {"1": [["09:00", "17:00"]], "a note": "of no weekday"}
    here, there = (Person("p", None, zone, hours) for zone in ("UTC", "Europe/Berlin"))
    (first,) = here.periods(MONDAY, 1)
    assert there.periods(MONDAY, 1) == (tuple(one - timedelta(hours=1) for one in first),)
    assert here.periods(MONDAY + timedelta(hours=6), 1) == ()
    assert len(here.periods(MONDAY, 8)) == 2


@pytest.mark.parametrize(
    ("elapsed_hours", "worked_hours"),
    [(2.0, 2.0), (20.0, 5.0), (26.0, 10.0), (0.0, 1 / 60)],
)
def test_nights_are_no_work(elapsed_hours: float, worked_hours: float) -> None:
    periods = Person("p", None, None, {}).periods(MONDAY, 14)
    person = AvailablePerson("p", periods)
    hours = _working_hours(np.array([[elapsed_hours * 3600.0]]), [person], MONDAY)
    # Noon to five today; of the second day what lies behind nine.
    assert hours[0, 0] == pytest.approx(worked_hours, abs=1e-9)


def test_who_never_works_can_do_nothing() -> None:
    assert np.isinf(_working_hours(np.array([[3600.0]]), [AvailablePerson("p", ())], MONDAY)[0, 0])
