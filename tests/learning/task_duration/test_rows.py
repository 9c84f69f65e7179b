import pandas as pd
import pytest

from pipelines.learning.columns import PART, WEIGHT, WORKFLOW_ID
from pipelines.learning.task_duration.rows import SPAN, task_questions
from pipelines.learning.task_duration.tasks import history_tasks
from tests.learning.task_history import make_task_history
from tests.learning.whole_history import WholeHistory, make_whole_history


@pytest.fixture(scope="module")
def history() -> WholeHistory:
    return make_whole_history()


def test_tasks_are_those_their_events_tell(history: WholeHistory) -> None:
    expected = make_task_history(300).tasks.set_index("task_id")
    tasks = history_tasks(history.task_events).set_index("task_id")
    assert len(tasks) == 300 * 3 - 100
    columns = [WORKFLOW_ID, "activity", "person_id", "created_at", "started_at", "completed_at"]
    pd.testing.assert_frame_equal(
        tasks[columns], expected.loc[tasks.index, columns], check_dtype=False
    )
    assert tasks["cancelled_at"].isna().all()


def test_a_task_that_is_resumed_and_done_again_ends_with_its_last_end() -> None:
    moments = pd.to_datetime(["2024-01-01 08:00", "2024-01-01 09:00", "2024-01-01 11:00"], utc=True)
    events = pd.DataFrame(
        {
            WORKFLOW_ID: "w",
            "task_id": "t",
            "sequence": [0, 1, 2],
            "activity": "check",
            "transition": ["started", "completed", "completed"],
            "person_id": ["ann", "bob", None],
            "team_id": [None, "desk", "elsewhere"],
            "occurred_at": moments,
        }
    )
    (task,) = history_tasks(events).to_dict("records")
    assert (task["started_at"], task["completed_at"]) == (moments[0], moments[2])
    assert task["person_id"] == "bob"
    assert task["team_id"] == "desk"  # where it went later is not known when it is asked about
    assert pd.isna(task["created_at"])


def test_every_answered_question_of_both_sides_is_there(history: WholeHistory) -> None:
    split = history.split
    questions = task_questions(history.task_events, split, 100_000, seed=0)
    assert (questions["duration_s"] > 0).all()
    assert questions.loc[questions[PART] == "train", "ended_at"].max() < split.test_start
    weights = questions[WORKFLOW_ID].map(split.weights)
    pd.testing.assert_series_equal(questions[WEIGHT], weights, check_names=False)
    of_split = history.task_events[WORKFLOW_ID].isin(split.workflow_ids)
    tasks = history.task_events[of_split]["task_id"].nunique()
    assert questions[SPAN].value_counts().to_dict() == {
        "waiting_time_s": tasks,
        "service_time_s": tasks,
        "sojourn_time_s": tasks,
    }
    by_span = questions.set_index(["task_id", SPAN])["duration_s"].unstack(SPAN)  # noqa: PD010
    parts = by_span["waiting_time_s"] + by_span["service_time_s"]
    pd.testing.assert_series_equal(parts, by_span["sojourn_time_s"], check_names=False)


def test_what_ends_as_it_begins_is_no_question(history: WholeHistory) -> None:
    events = history.task_events.copy()
    at_once = (events["task_id"] == "w0001/check/1") & (events["transition"] == "created")
    start = (events["task_id"] == "w0001/check/1") & (events["transition"] == "started")
    events.loc[at_once, "occurred_at"] = events.loc[start, "occurred_at"].iloc[0]
    questions = task_questions(events, history.split, 100_000, seed=0)
    own = questions[questions["task_id"] == "w0001/check/1"]
    assert sorted(own[SPAN]) == ["service_time_s", "sojourn_time_s"]


def test_too_many_rows_leave_out_whole_workflows(history: WholeHistory) -> None:
    every = task_questions(history.task_events, history.split, 100_000, seed=0)
    some = task_questions(history.task_events, history.split, 600, seed=0)
    assert 500 < len(some) <= 600
    kept = every[every[WORKFLOW_ID].isin(some[WORKFLOW_ID])].reset_index(drop=True)
    pd.testing.assert_frame_equal(some, kept)
