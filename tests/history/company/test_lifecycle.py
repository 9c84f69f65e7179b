import re
from uuid import RFC_4122, UUID

import pandas as pd

from pipelines.contracts import Transition
from pipelines.history.schema import REJECTED_ROWS, TASK_EVENTS, TASKS, WORKFLOWS

from .conftest import History

LETTERS = {
    Transition.CREATED: "c",
    Transition.ASSIGNED: "a",
    Transition.STARTED: "s",
    Transition.SUSPENDED: "p",
    Transition.RESUMED: "r",
    Transition.COMPLETED: "f",
    Transition.CANCELLED: "x",
}
# A task may be open at the end wherever the text may end before f or x.
LIFE = re.compile(r"c(a+(s(pa*r)*(f|(pa*)?x?)|x)?|x)?")


def test_the_files_have_the_schemas_of_a_history(small: History) -> None:
    schemas = {
        "task_events": TASK_EVENTS,
        "tasks": TASKS,
        "workflows": WORKFLOWS,
        "rejected_rows": REJECTED_ROWS,
    }
    for name, schema in schemas.items():
        assert small.table(name).schema.equals(schema), name
    assert small.files.read_count == small.table("task_events").num_rows
    assert small.table("rejected_rows").num_rows == small.files.rejected_count == 0
    assert small.table("tasks").num_rows == 3_000


def test_each_task_lives_one_of_the_lives_there_are(small: History) -> None:
    events = small.frame("task_events")
    lives = events.transition.map(LETTERS).groupby(events.task_id).agg("".join)
    wrong = [life for life in lives if not LIFE.fullmatch(life)]
    assert wrong == []
    # Every turn a task can take is taken somewhere.
    for turn in ("ca+s", "ca+a", "sp", "pr", "pa", "f$", "x$"):
        assert lives.str.contains(turn).any(), turn


def test_a_task_is_what_its_events_say(small: History) -> None:
    events, tasks = small.frame("task_events"), small.frame("tasks").set_index("task_id")
    for transition in ("created", "started", "completed", "cancelled"):
        times = events[events.transition == transition].set_index("task_id").occurred_at
        assert times.index.is_unique
        pd.testing.assert_series_equal(
            tasks[f"{transition}_at"].dropna().sort_index(),
            times.sort_index(),
            check_names=False,
        )
    last = events.dropna(subset="person_id").groupby("task_id").person_id.last()
    assert tasks.person_id.dropna().sort_index().equals(last)
    assert (events.team_id == events.task_id.map(tasks.team_id)).all()
    assert (events.workflow_id == events.task_id.map(tasks.workflow_id)).all()


def test_events_are_in_order_and_known_after_they_happen(small: History) -> None:
    events = small.frame("task_events")
    assert events.sequence.tolist() == list(range(len(events)))
    assert events.occurred_at.is_monotonic_increasing
    assert (events.recorded_at >= events.occurred_at).all()
    assert (events.recorded_at <= events.occurred_at.max()).all()
    late = events[events.recorded_at > events.occurred_at]
    assert 0.01 < len(late) / len(events) < 0.06
    delay_s = (late.recorded_at - late.occurred_at).dt.total_seconds()
    assert 3_600 < delay_s.median() < 5 * 3_600
    assert delay_s.max() > 86_400
    opened = events.workflow_id.map(small.frame("workflows").set_index("workflow_id").recorded_at)
    assert (events.recorded_at >= opened).all()


def test_event_ids_are_distinct_uuids(small: History) -> None:
    ids = small.frame("task_events").event_id
    assert ids.is_unique
    for text in ids[:200]:
        uuid = UUID(text)
        assert (str(uuid), uuid.version, uuid.variant) == (text, 8, RFC_4122)


def test_workflows_open_with_their_first_task_and_close_with_the_last(small: History) -> None:
    workflows = small.frame("workflows").set_index("workflow_id")
    tasks, events = small.frame("tasks"), small.frame("task_events")
    assert tasks.groupby("workflow_id").created_at.min().equals(workflows.opened_at.sort_index())
    closed = workflows[workflows.closed_at.notna()]
    last = events.groupby("workflow_id").occurred_at.max()
    assert closed.closed_at.equals(last[closed.index])
    ends = tasks.completed_at.fillna(tasks.cancelled_at)
    is_closed = tasks.workflow_id.isin(closed.index)
    assert ends[is_closed].notna().all()
    open_workflows = set(tasks.workflow_id[ends.isna()])
    assert open_workflows == set(workflows.index[workflows.closed_at.isna()])
    assert set(closed.outcome) == {"accepted", "rejected", "withdrawn"}
    assert workflows.outcome[workflows.closed_at.isna()].isna().all()
    assert (closed.closure_recorded_at >= closed.closed_at).all()
    assert (workflows.recorded_at >= workflows.opened_at).all()
    assert (workflows.due_at > workflows.opened_at).all()
