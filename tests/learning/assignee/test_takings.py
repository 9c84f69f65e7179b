import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.assignee.takings import task_takings
from tests.learning.assignee.company import at, number_events, task_event, workflow_row

WORKFLOWS = pd.DataFrame([workflow_row("a", 0), workflow_row("b", 0)])
SHOWN = ["task_id", "person_id", "task_team_id", "asked_at", "as_of", "left_at", "took_s"]


def rows(frame: pd.DataFrame) -> list[list[object]]:
    values = frame[SHOWN].astype(object)
    return [list(row) for row in values.where(values.notna(), None).to_numpy()]


def test_a_task_is_one_row_from_coming_up_to_being_left() -> None:
    events = [
        task_event("a", "t1", "check", "desk", "created", None, 0),
        task_event("a", "t1", "check", "desk", "assigned", "ann", 1),
        task_event("a", "t1", "check", "desk", "started", "ann", 2),
        task_event("a", "t1", "check", "desk", "completed", "ann", 4),
        task_event("b", "t2", "check", "desk", "created", "bob", 1),  # who creates takes nothing
        task_event("b", "t2", "check", "desk", "assigned", "bob", 2),
        task_event("b", "t2", "check", "desk", "assigned", "ann", 3),
        task_event("b", "t2", "check", "desk", "completed", "ann", 5),
        task_event("b", "t3", "pay", "desk", "created", None, 5),
        task_event("b", "t3", "pay", "desk", "cancelled", "bob", 6),
        task_event("b", "t4", "pay", "desk", "created", None, 5.5),
    ]
    frame = task_takings(number_events(events), WORKFLOWS)
    assert rows(frame) == [
        ["t1", "ann", "desk", at(0), at(1), at(4), 3 * 3_600.0],
        ["t2", "bob", "desk", at(1), at(2), at(3), None],
    ]
    assert frame["due_at"].tolist() == [at(10), at(10)]
    assert frame[["asked_place", "place", "left_place"]].to_numpy().tolist() == [
        [0, 1, 6],
        [2, 4, 5],
    ]


def test_a_log_of_completions_asks_after_the_event_before() -> None:
    events = [
        task_event("a", "t1", "open", "desk", "completed", "ann", 0),
        task_event("b", "t2", "open", "desk", "completed", "ann", 1),
        task_event("a", "t3", "check", "field", "completed", "bob", 3),
        task_event("a", "t4", "pay", None, "completed", None, 4),
    ]
    frame = task_takings(number_events(events), WORKFLOWS)
    # The team of the one who completes is not known when asking.
    assert rows(frame) == [
        ["t1", "ann", None, at(0), at(0), at(0), None],
        ["t2", "ann", None, at(1), at(1), at(1), None],
        ["t3", "bob", None, at(0), at(3), at(3), 3 * 3_600.0],
    ]
    assert frame["asked_place"].tolist() == [-1, 0, 0]


def test_what_is_recorded_late_counts_from_then() -> None:
    late = task_event("a", "t1", "check", "desk", "assigned", "ann", 1, recorded_hours=8)
    events = [
        task_event("a", "t1", "check", "desk", "created", None, 0),
        late,
        task_event("a", "t1", "check", "desk", "completed", "ann", 4),
    ]
    frame = task_takings(number_events(events), WORKFLOWS)
    # The completion is the first that is known to name a person.
    assert rows(frame) == [["t1", "ann", "desk", at(0), at(4), at(4), 4 * 3_600.0]]
    later = WORKFLOWS.assign(recorded_at=at(0.5))
    assert task_takings(number_events(events), later)["due_at"].isna().all()


def test_a_history_without_people_is_refused() -> None:
    events = [task_event("a", "t1", "check", "desk", "completed", None, 0)]
    with pytest.raises(TrainingError, match="None of 1 task events names a person"):
        task_takings(number_events(events), WORKFLOWS)
    with pytest.raises(TrainingError, match="lack the columns priority"):
        task_takings(number_events(events), WORKFLOWS.drop(columns="priority"))
