import numpy as np
import pandas as pd
import pytest

from pipelines.learning.risks.bottleneck_activity import TrendLimits, bottleneck_activity
from tests.learning.risks.queues import Provoked, day_end, queue_rows

_HALVED = Provoked("activity-3", 110, capacity_factor=0.5)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return queue_rows("activity", provoked=_HALVED)


def test_halved_staff_is_flagged_within_four_weeks_and_nothing_else(rows: pd.DataFrame) -> None:
    before = bottleneck_activity(rows, day_end(109))
    after = bottleneck_activity(rows, day_end(138))
    assert (before["score"] < 0.5).all()
    assert after.loc[after["level"] != "info", "subject_id"].to_list() == ["activity-3"]
    assert after["score"].iloc[0] == 1.0


def test_steady_queues_are_rarely_taken_for_growing_ones() -> None:
    flagged, count = 0, 0
    for seed in range(4):
        rows = queue_rows("activity", seed=50 + seed)
        for day in (90, 115, 140):
            flagged += int((bottleneck_activity(rows, day_end(day))["score"] >= 0.5).sum())
            count += 8
    assert flagged <= 0.05 * count


def test_growth_and_wait_are_told_in_words() -> None:
    weeks = np.repeat([10, 12, 14, 16, 18, 20, 22, 24], 7)
    rows = pd.DataFrame(
        {
            "activity": "Check",
            "event_timestamp": [day_end(day) for day in range(56)],
            "created_timestamp": [day_end(day) for day in range(56)],
            "open_task_count": weeks,
            "completed_count_30d": weeks * 3,  # hands grow with the queue: the wait stays
        }
    )
    result = bottleneck_activity(rows, day_end(55), TrendLimits(min_queue=10))
    # 2 a week over 7 weeks, from a level of 13 in the first half: 14 / 13, cut at 1; no wait.
    assert result["score"].to_list() == [0.5]
    assert result["reason"].iloc[0] == (
        "The queue grew from 10.0 to 24.0 tasks in 8 weeks (p < 0.001); "
        "the wait shows no trend (10.0 days now)."
    )


def test_what_is_known_later_moves_no_score(rows: pd.DataFrame) -> None:
    as_of = day_end(130)
    later = rows["created_timestamp"] > as_of
    changed = rows.assign(open_task_count=rows["open_task_count"].where(~later, 999))
    pd.testing.assert_frame_equal(
        bottleneck_activity(changed, as_of), bottleneck_activity(rows, as_of)
    )
