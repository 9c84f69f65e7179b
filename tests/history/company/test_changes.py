from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipelines.history.company import Change, ChangeKind

from .conftest import History, Simulate

AT = datetime(2024, 3, 20, 13, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def changed(simulate: Simulate, request: pytest.FixtureRequest) -> History:
    return simulate(3_000, 7, change=Change(request.param, AT))


def before(history: History, name: str, column: str, columns: list[str] | None = None) -> pa.Table:
    table = history.table(name)
    table = table.filter(pc.less(table[column], pa.scalar(AT, table[column].type)))
    return table.select(columns) if columns else table


@pytest.mark.parametrize("changed", list(ChangeKind), indirect=True)
def test_nothing_differs_before_the_change(small: History, changed: History) -> None:
    usual = before(small, "task_events", "occurred_at")
    assert 1_000 < usual.num_rows < small.table("task_events").num_rows - 1_000
    assert (
        before(changed, "task_events", "occurred_at")
        .combine_chunks()
        .equals(usual.combine_chunks())
    )
    known = ["workflow_id", "template_id", "client_id", "priority", "opened_at", "due_at"]
    known += ["attributes", "recorded_at"]
    assert before(changed, "workflows", "opened_at", known).equals(
        before(small, "workflows", "opened_at", known)
    )
    assert not changed.table("task_events").equals(small.table("task_events"))


@pytest.mark.parametrize("changed", [ChangeKind.PERSON_LEAVES], indirect=True)
def test_the_busiest_person_leaves(changed: History) -> None:
    people, events = changed.frame("people"), changed.frame("task_events")
    left = people[people.left_at.notna()]
    assert left.left_at.tolist() == [AT]
    person = left.person_id.iloc[0]
    done = events[(events.transition == "completed") & (events.occurred_at < AT)].person_id
    assert done.value_counts().max() == (done == person).sum()
    own = events[(events.person_id == person) & (events.occurred_at > AT)]
    # What waited for a client stays theirs on paper until the answer; a client can cancel it.
    assert set(own.transition) <= {"cancelled"}
    held = events[events.occurred_at <= AT].groupby("task_id").last()
    ended = held.transition.isin(["completed", "cancelled"])
    held = held[(held.person_id == person) & ~ended].index
    later = events[events.task_id.isin(held) & (events.occurred_at > AT)]
    assert len(held) > 0
    assert set(later[later.transition == "assigned"].task_id) > set()
    member = changed.frame("memberships").set_index("person_id").ends_at[person]
    assert member == AT


@pytest.mark.parametrize("changed", [ChangeKind.TEMPLATE_CHANGES], indirect=True)
def test_new_contracts_need_another_step(changed: History) -> None:
    tasks, workflows = changed.frame("tasks"), changed.frame("workflows")
    check = tasks[tasks.activity == "Full compliance check"].merge(workflows, on="workflow_id")
    assert len(check) > 0
    assert (check.opened_at >= AT).all()
    assert set(check.template_id) == {"new-contract"}
    # Contracts opened before go on as they began.
    old = workflows[(workflows.template_id == "new-contract") & (workflows.opened_at < AT)]
    last = tasks[(tasks.activity == "Activate service") & (tasks.created_at > AT)]
    assert last.workflow_id.isin(old.workflow_id).any()
    steps = changed.frame("template_tasks").set_index(["template_id", "activity"]).predecessors
    assert steps[("new-contract", "Activate service")].tolist() == ["Full compliance check"]


@pytest.mark.parametrize("changed", [ChangeKind.DEMAND_DOUBLES], indirect=True)
def test_demand_doubles(small: History, changed: History) -> None:
    def a_day(history: History, *, is_after: bool) -> float:
        opened = history.frame("workflows").opened_at
        end = history.frame("task_events").occurred_at.max()
        count = (opened >= AT).sum() if is_after else (opened < AT).sum()
        days = (end - AT if is_after else AT - opened.min()).total_seconds() / 86_400
        return count / days

    assert a_day(changed, is_after=False) == a_day(small, is_after=False)
    assert 1.6 < a_day(changed, is_after=True) / a_day(small, is_after=True) < 2.4
