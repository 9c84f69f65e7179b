import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.risks.overloaded_person import OverloadLimits, overloaded_person
from tests.learning.risks.queues import Provoked, day_end, queue_rows

_DOUBLED = Provoked("person_id-2", 120, inflow_factor=2.0)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return queue_rows("person_id", provoked=_DOUBLED)


def test_doubled_inflow_is_flagged_within_three_weeks_and_nobody_else(rows: pd.DataFrame) -> None:
    before = overloaded_person(rows, day_end(119))
    after = overloaded_person(rows, day_end(141))
    assert (before["score"] < 0.5).all()
    assert after.loc[after["level"] != "info", "subject_id"].to_list() == ["person_id-2"]
    assert after["subject_id"].iloc[0] == "person_id-2"
    assert set(after["kind"]) == {"overloaded_person"}


def test_the_score_is_the_mean_of_three_pressures() -> None:
    rows = pd.DataFrame(
        [
            # As usual ann has 3 days of work, now 9; bob and cid have 3.
            *(_row("ann", day, 3, 7, 30) for day in (0, 60, 90)),
            _row("ann", 101, 9, 10, 30),
            *(_row(name, day, 3, 7, 30) for name in ("bob", "cid") for day in (0, 100)),
        ]
    )
    result = overloaded_person(rows, day_end(102), OverloadLimits(min_open_tasks=5))
    assert result["subject_id"].to_list() == ["ann", "bob", "cid"]
    # Three times the own past and the others: 1 and 1; 16 came in, 10 done: 0.6.
    assert result["score"].to_list() == pytest.approx([(1 + 1 + 0.6) / 3, 0, 0])
    assert result["level"].to_list() == ["critical", "info", "info"]
    assert result["reason"].iloc[0] == (
        "9 open tasks, about 9.0 days of work at the pace of the last 30 days; usually 3.0 days, "
        "others now 3.0; in the last week 16 came in and 10 were done."
    )


def test_what_is_known_later_moves_no_score(rows: pd.DataFrame) -> None:
    as_of = day_end(130)
    later = rows["created_timestamp"] > as_of
    changed = rows.assign(open_task_count=rows["open_task_count"].where(~later, 0))
    # A row of an earlier day that was written down later was not known either.
    late_news = rows[~later].assign(open_task_count=99, created_timestamp=day_end(131))
    pd.testing.assert_frame_equal(
        overloaded_person(pd.concat([changed, late_news]), as_of), overloaded_person(rows, as_of)
    )


def test_a_moment_without_a_zone_is_refused(rows: pd.DataFrame) -> None:
    with pytest.raises(TrainingError, match="no time zone"):
        overloaded_person(rows, pd.Timestamp("2024-05-01"))


def test_a_missing_column_is_named(rows: pd.DataFrame) -> None:
    with pytest.raises(TrainingError, match="completed_count_7d"):
        overloaded_person(rows.drop(columns="completed_count_7d"), day_end(130))


def _row(person: str, day: int, open_tasks: int, week: int, month: int) -> dict[str, object]:
    return {
        "person_id": person,
        "event_timestamp": day_end(day),
        "created_timestamp": day_end(day),
        "open_task_count": open_tasks,
        "completed_count_7d": week,
        "completed_count_30d": month,
    }
