from datetime import date

import pytest

from pipelines.history.company.shifts import DAY_S, NEVER, Days, Shifts

HOUR = 3600
OFFICE = ((9 * HOUR, 17 * HOUR),) * 5 + (None, None)
# 2024-01-01 is a Monday and a holiday; day 1 is the first day of work, day 8 is left out.
SHIFTS = Shifts(Days(date(2024, 1, 1), 15), OFFICE, absent={8})


def at(day: int, hour: float) -> int:
    return int(day * DAY_S + hour * HOUR)


@pytest.mark.parametrize(
    ("begin", "hours", "end"),
    [
        (at(1, 9), 8, at(1, 17)),  # a whole day ends at its closing
        (at(1, 16), 2, at(2, 10)),  # over night
        (at(0, 12), 1, at(1, 10)),  # begun on a holiday
        (at(4, 16), 2, at(7, 10)),  # over a weekend
        (at(7, 16), 2, at(9, 10)),  # over a day of leave
        (at(14, 16), 2, NEVER),  # beyond the calendar
    ],
)
def test_finish_counts_working_time_only(begin: int, hours: float, end: int) -> None:
    assert SHIFTS.finish(begin, hours * HOUR) == end


def test_a_closing_is_in_time_to_finish_but_too_late_to_start() -> None:
    assert SHIFTS.finish(at(1, 16), HOUR) == at(1, 17)
    assert SHIFTS.after(at(1, 16), HOUR) == at(2, 9)


@pytest.mark.parametrize(
    ("moment", "opening"),
    [(at(1, 12), at(1, 12)), (at(1, 17), at(2, 9)), (at(7, 18), at(9, 9)), (at(14, 17), NEVER)],
)
def test_next_open(moment: int, opening: int) -> None:
    assert SHIFTS.next_open(moment) == opening


def test_current_is_half_open() -> None:
    assert SHIFTS.current(at(1, 9)) == (at(1, 9), at(1, 17))
    assert SHIFTS.current(at(1, 17)) == (NEVER, NEVER)
    assert SHIFTS.current(at(0, 9)) == (NEVER, NEVER)


def test_end_at_cuts_the_shift_of_that_moment() -> None:
    shifts = Shifts(Days(date(2024, 1, 1), 15), OFFICE)
    shifts.end_at(at(2, 12))
    assert shifts.worked_until(at(14, 17)) == 11 * HOUR
    assert shifts.next_open(at(2, 11)) == at(2, 11)
    assert shifts.next_open(at(2, 12)) == NEVER
