from typing import cast

import numpy as np
import pandas as pd
import pytest

from pipelines.learning.assignee.coded_log import Mask
from pipelines.learning.assignee.held_tasks import HeldTasks
from pipelines.learning.assignee.pairs import Pairs
from pipelines.learning.assignee.takings import task_takings
from pipelines.learning.assignee.task_log import code_tasks
from pipelines.learning.assignee.task_pairs import make_task_pairs
from tests.learning.assignee.company import (
    company_tables,
    number_events,
    task_event,
    workflow_row,
)

_DAY_S = 86_400.0
WORKFLOWS = pd.DataFrame([workflow_row(one, 0) for one in "abcd"])
EVENTS = [
    task_event("a", "t1", "check", "desk", "created", None, 0),
    task_event("a", "t1", "check", "desk", "assigned", "ann", 0),
    task_event("b", "t2", "check", "desk", "created", None, 1),
    task_event("b", "t2", "check", "desk", "assigned", "bob", 1),
    task_event("b", "t3", "pay", "desk", "created", None, 2),
    task_event("b", "t3", "pay", "desk", "assigned", "ann", 2),
    task_event("a", "t1", "check", "desk", "completed", "ann", 3),
    task_event("b", "t2", "check", "desk", "completed", "bob", 11),
    task_event("c", "t4", "check", "desk", "created", None, 12),
    task_event("c", "t4", "check", "desk", "assigned", "cem", 12),
    task_event("c", "t5", "pay", "field", "created", None, 13),
    task_event("c", "t5", "pay", "field", "assigned", "ann", 13),
]


def ask(events: list[dict[str, object]], task_ids: list[str]) -> Pairs:
    frame = task_takings(number_events(events), WORKFLOWS)
    return make_task_pairs(
        code_tasks(frame), cast(Mask, frame["task_id"].isin(task_ids).to_numpy())
    )


def test_experience_with_the_activity_asked_about_is_told() -> None:
    fourth = ask(EVENTS, ["t4"])  # a check, asked 12 hours after ann's and 11 after bob's
    assert fourth.candidate.tolist() == [0, 1]
    assert fourth.column("since_task_activity_s").tolist() == [12 * 3_600, 11 * 3_600]
    assert fourth.column("held_task_count").tolist() == [1, 0]
    assert fourth.column("task_activity_on_time_ratio").tolist() == [1, 0]  # due after 10 hours
    # Bob's ten hours beside ann's three; three more such tasks are assumed to be average.
    slowness = (np.log1p(36_000) - np.log1p(10_800)) / 4
    np.testing.assert_allclose(fourth.column("task_activity_slowness"), [0, slowness], rtol=1e-6)
    faded = 2 ** (-np.array([12, 11]) / 24 / 30)
    np.testing.assert_allclose(fourth.column("task_activity_30d_count"), faded, rtol=1e-6)
    assert fourth.truth.tolist() == [2]  # nobody had met the one who took it
    assert fourth.label.sum() == 0


def test_the_present_person_may_go_on_and_the_team_asked_for_is_told() -> None:
    fifth = ask(EVENTS, ["t5"])
    assert fifth.candidate.tolist() == [0, 1, 2]
    assert np.isnan(fifth.column("workflow_events_ago")[:2]).all()
    assert fifth.column("workflow_events_ago")[2] == 1
    assert fifth.column("is_of_task_team").tolist() == [0, 0, 0]
    assert ask(EVENTS, ["t4"]).column("is_of_task_team").tolist() == [1, 1]
    without = [{**one, "team_id": None} for one in EVENTS]
    assert np.isnan(ask(without, ["t5"]).column("is_of_task_team")).all()


def test_the_first_task_of_all_is_not_asked_about() -> None:
    pairs = ask(EVENTS, ["t1", "t2"])
    assert pairs.position.tolist() == [1]
    assert pairs.candidate.tolist() == [0]
    assert np.isnan(pairs.column("elapsed_s")).all()  # its workflow has no taking before


def test_where_only_completions_are_told_the_event_before_is_known_when_asking() -> None:
    events = [
        task_event("a", "t1", "check", None, "completed", "ann", 0),
        task_event("b", "t2", "check", None, "completed", "bob", 1),
        task_event("b", "t3", "pay", None, "completed", "ann", 2),
    ]
    pairs = ask(events, ["t3"])  # asked as t2 is completed, and bob is present
    assert pairs.candidate.tolist() == [0, 1]
    assert pairs.column("workflow_event_count").tolist() == [0, 1]
    assert pairs.column("held_task_count").tolist() == [0, 0]
    assert pairs.column("since_task_activity_s").tolist() == pytest.approx(
        [np.nan] * 2, nan_ok=True
    )


def test_the_future_moves_no_feature() -> None:
    events, workflows, _ = company_tables(40)
    cut = len(events) * 2 // 3
    later = events.index >= cut
    changed = events.assign(
        person_id=events["person_id"].where(~later | events["person_id"].isna(), "new"),
        activity=events["activity"].where(~later, "other"),
    )
    frames = (task_takings(events, workflows), task_takings(changed, workflows))
    before, after = (
        make_task_pairs(code_tasks(frame), (frame["asked_place"] < cut - 20).to_numpy())
        for frame in frames
    )
    assert len(before.size) > 50
    np.testing.assert_array_equal(before.position, after.position)
    np.testing.assert_array_equal(before.candidate, after.candidate)
    np.testing.assert_array_equal(before.matrix, after.matrix)


@pytest.mark.parametrize(("now_s", "expected"), [(1.0, [2, 1]), (60 * _DAY_S + 0.5, [1, 1])])
def test_tasks_lie_with_their_takers_for_two_months_at_most(
    now_s: float, expected: list[int]
) -> None:
    held = HeldTasks()
    for task, (person, taken_s) in enumerate([(0, 0.0), (0, 1.0), (1, 1.0), (1, 1.0)]):
        held.take(task, person, taken_s)
    held.leave(3)
    held.leave(3)
    assert held.counts(now_s, 2).tolist() == expected
