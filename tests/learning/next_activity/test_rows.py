from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from pipelines.learning.next_activity.rows import known_at, task_sequence, task_sequence_of
from tests.learning.next_activity.events import as_read, make_history


@pytest.mark.parametrize("seed", range(3))
def test_one_workflow_has_the_rows_it_has_among_all(seed: int) -> None:
    events, workflows = make_history(60, seed)
    expected = task_sequence(events, workflows)
    assert expected.duplicated(["workflow_id", "as_of"]).any()
    found = [row for one in as_read(events, workflows) for row in task_sequence_of(one)]
    pd.testing.assert_frame_equal(pd.DataFrame(found)[list(expected)], expected, check_dtype=False)
    assert {row["as_of"].tzinfo for row in found} == {UTC}


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("early", "late"),
    [
        (datetime(2024, 5, 1, 1, tzinfo=BERLIN), datetime(2024, 5, 1, 0, tzinfo=UTC)),
        # The night in which the clocks go back.
        (
            datetime(2024, 10, 27, 2, 50, tzinfo=BERLIN),
            datetime(2024, 10, 27, 2, 10, tzinfo=BERLIN, fold=1),
        ),
    ],
)
def test_an_event_is_known_when_it_was_recorded_and_had_happened(
    early: datetime, late: datetime
) -> None:
    for times in ((early, late), (late, early)):
        event = dict(zip(("occurred_at", "recorded_at"), times, strict=True))
        assert known_at(event) == late.astimezone(UTC)
