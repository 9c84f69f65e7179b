import numpy as np
import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.assignee.coded_log import NONE, Event, code_log
from tests.learning.assignee.office import START, event_row


def test_events_are_put_in_order_of_time_and_keep_their_own() -> None:
    rows = [
        event_row("b", "pay", "ann", 2),
        event_row("a", "open", "bob", 1),
        event_row("a", "check", "cem", 2),
        event_row("b", "close", "bob", 2),
    ]
    frame = pd.DataFrame(rows).assign(team_id=["desk", None, "desk", None], priority="high")
    log = code_log(frame)
    assert log.people == ["bob", "ann", "cem"]
    assert log.activities == ["open", "pay", "check", "close"]
    np.testing.assert_array_equal(log.row, [1, 0, 2, 3])
    np.testing.assert_array_equal(log.next_person, [2, 0, NONE, NONE])
    np.testing.assert_array_equal(log.is_handover, [True, True, False, False])
    second = (START + pd.Timedelta(hours=2)).timestamp()
    np.testing.assert_array_equal(log.next_time_s, [second, second, np.nan, np.nan])
    assert log.events[1]._replace(due_s=0) == Event(1, 1, 1, 0, (NONE, NONE, 0), second, 0)
    assert np.isnan(log.events[1].due_s)


def test_what_cannot_be_coded_is_refused() -> None:
    frame = pd.DataFrame([event_row("a", "open", "bob", 1), event_row("a", "pay", "ann", 2)])
    with pytest.raises(TrainingError, match="lack the columns activity"):
        code_log(frame.drop(columns="activity"))
    with pytest.raises(TrainingError, match="1 of 2 events have no person_id"):
        code_log(frame.assign(person_id=["bob", None]))
