from datetime import UTC, datetime
from threading import Thread
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.learning.assignee.coded_log import Values
from pipelines.learning.assignee.pairs import Matrix
from pipelines.learning.assignee.ranker import Ranker
from pipelines.learning.assignee.reasons import Candidate, reasons
from pipelines.learning.assignee.standings import standings_of
from pipelines.learning.assignee.state import SHOWN, AssigneeState
from pipelines.learning.assignee.takings import in_order, task_takings
from pipelines.learning.assignee.task_log import code_tasks
from pipelines.learning.assignee.task_pairs import make_task_pairs
from tests.learning.assignee.company import (
    at,
    number_events,
    task_event,
    workflow_row,
)
from tests.learning.assignee.company_ranker import (
    EVENTS,
    NOW,
    WORKFLOWS,
    company_ranker,
    standings,
)


class EveryFeature(Ranker):
    """Scores by all features at once, so that none can differ unseen."""

    def scores(self, matrix: Matrix) -> Values:
        weights = np.sqrt(np.arange(2, 2 + matrix.shape[1]))
        values = np.where(np.isnan(matrix), -0.5, matrix).astype(np.float64)
        return (values * weights).sum(axis=1)


@pytest.fixture(scope="module")
def ranker() -> Ranker:
    return company_ranker()


@pytest.fixture(scope="module")
def state() -> AssigneeState:
    return AssigneeState(EVENTS, WORKFLOWS)


@pytest.mark.parametrize("logs", ["tasks", "completions"])
def test_it_sees_what_training_saw(ranker: Ranker, logs: str) -> None:
    """Ask at the moments of training: the features are the same."""
    ranker = EveryFeature(ranker.names, ranker.boosters, ranker.scales, ranker.facts)
    told = EVENTS if logs == "tasks" else EVENTS[EVENTS["transition"] == "completed"]
    events = in_order(told)
    frame = task_takings(told, WORKFLOWS)
    rows = np.arange(300, 330)
    is_asked = np.isin(np.arange(len(frame)), rows)
    pairs = make_task_pairs(code_tasks(frame), is_asked)
    expected = ranker.scores_of(pairs)
    state = AssigneeState(events.iloc[:0], WORKFLOWS)
    done = 0
    for number, row in enumerate(pairs.position.tolist()):
        task = frame.loc[row]
        state.advance(events.iloc[done : task["asked_place"] + 1], WORKFLOWS)
        done = task["asked_place"] + 1
        found = state.recommend(
            ranker,
            task["workflow_id"],
            task["activity"],
            task["asked_at"].to_pydatetime(),
            team_id=None if pd.isna(task["task_team_id"]) else task["task_team_id"],
            count=9,
        )
        scores = expected[pairs.question == number]
        assert sorted(one.score for one in found) == sorted(scores.tolist())


def test_advancing_step_by_step_is_the_same_as_at_once(
    ranker: Ranker, state: AssigneeState
) -> None:
    is_early = WORKFLOWS["recorded_at"] <= EVENTS["recorded_at"][499]
    stepwise = AssigneeState(EVENTS[:500], WORKFLOWS[is_early])
    stepwise.advance(EVENTS[500:], WORKFLOWS[~is_early])
    usual = state.recommend(ranker, "w159", "pay", NOW, team_id="desk")
    assert stepwise.recommend(ranker, "w159", "pay", NOW, team_id="desk") == usual
    stepwise.advance(EVENTS[-200:], WORKFLOWS)  # told twice
    assert stepwise.recommend(ranker, "w159", "pay", NOW, team_id="desk") == usual
    assert sum(one.probability for one in usual) == pytest.approx(1)


def test_new_events_move_the_answer(ranker: Ranker) -> None:
    state = AssigneeState(EVENTS, WORKFLOWS)
    free = state.recommend(ranker, "new", "register", NOW, team_id="desk")
    assert free[0].person_id in {"ann", "bob"}
    hours = (pd.Timestamp(NOW) - at(0)).total_seconds() / 3_600
    taken = [
        task_event(f"n{one}", f"n{one}", "register", "desk", "assigned", free[0].person_id, hours)
        for one in range(3)
    ]
    state.advance(number_events(taken), WORKFLOWS[:0])
    later = state.recommend(ranker, "new", "register", NOW, team_id="desk")
    assert later[0].person_id != free[0].person_id
    assert later[0].person_id in {"ann", "bob"}
    loaded = next(one for one in later if one.person_id == free[0].person_id)
    assert loaded.held_task_count == free[0].held_task_count + 3
    assert loaded.held_workflow_count == free[0].held_workflow_count + 3


def test_the_roster_and_the_excluded_are_respected(ranker: Ranker, state: AssigneeState) -> None:
    asked = {"workflow_id": "w159", "task_activity": "assess", "as_of": NOW}
    everyone = state.recommend(ranker, **asked)
    assert len(everyone) == 5
    assert {everyone[0].person_id, everyone[1].person_id} == {"cem", "dee"}
    without = state.recommend(ranker, **asked, excluded=["cem", "nobody"])
    assert "cem" not in {one.person_id for one in without}
    some = state.recommend(ranker, **asked, person_ids=["eva", "dee", "zoe"], count=2)
    assert some[0].person_id == "dee"
    assert len(some) == 2
    assert state.recommend(ranker, **asked, person_ids=[]) == []


def test_new_staff_come_behind_those_with_experience(ranker: Ranker, state: AssigneeState) -> None:
    found = state.recommend(
        ranker, "w159", "assess", NOW, person_ids=["zoe", "cem", "zoe", "dee", "yan"]
    )
    assert {one.person_id for one in found[:2]} == {"cem", "dee"}
    assert [one.person_id for one in found[2:]] == ["yan", "zoe"]
    assert [one.is_known for one in found] == [True, True, False, False]
    assert found[2].probability == found[3].probability
    assert "has not taken a task of this activity so far" in found[2].reasons
    only_new = state.recommend(ranker, "w159", "assess", NOW, person_ids=["zoe"])
    assert only_new[0].probability == 1


def test_a_new_activity_and_a_new_workflow_are_answered(
    ranker: Ranker, state: AssigneeState
) -> None:
    found = state.recommend(ranker, "never opened", "never done", NOW, team_id="field")
    assert len(found) == 5
    assert all(np.isfinite(one.score) for one in found)
    assert all(2 <= len(one.reasons) <= 4 for one in found)


def test_a_workflow_is_known_before_anybody_takes_a_task_of_it() -> None:
    state = AssigneeState(EVENTS, WORKFLOWS)
    assert set(state.workflows) == set(EVENTS["workflow_id"])
    created = task_event("fresh", "f1", "register", "desk", "created", None, 2_000.0)
    state.advance(number_events([created]), WORKFLOWS[:0])
    assert "fresh" in state.workflows
    assert "never opened" not in state.workflows


def test_some_are_explained_as_among_all(ranker: Ranker, state: AssigneeState) -> None:
    everyone = state.recommend(ranker, "w159", "pay", NOW, team_id="desk")
    found = standings(ranker, state, "w159", "pay", NOW, team_id="desk")
    assert len(found) >= len(everyone)
    places = range(len(everyone))[::-1]
    (some,) = state.explained(ranker, [(found, places)])
    assert some == [everyone[place] for place in places]
    assert state.explained(ranker, [(found, [])]) == [[]]
    assert state.explained(ranker, []) == []


def test_some_tasks_are_answered_as_each_alone(ranker: Ranker, state: AssigneeState) -> None:
    asked: list[dict[str, Any]] = [
        {"workflow_id": "w159", "task_activity": "pay", "load_strength": 2.0},
        {"workflow_id": "never opened", "task_activity": "pay", "person_ids": ["zoe", "ann"]},
        {"workflow_id": "w158", "task_activity": "never done", "person_ids": []},
        {"workflow_id": "w158", "task_activity": "check", "excluded": ["ann"], "team_id": "desk"},
    ]
    alone = [state.recommend(ranker, **one, as_of=NOW) for one in asked]
    assert [len(one) for one in alone] == [5, 2, 0, 4]
    candidates = [state.candidates(ranker, **one, as_of=NOW) for one in asked]
    together = standings_of(ranker, candidates)
    chosen = [(one, range(len(one))[:SHOWN]) for one in together]
    assert state.explained(ranker, chosen) == alone
    assert standings_of(ranker, []) == []


def test_only_who_is_shown_is_explained(
    ranker: Ranker, state: AssigneeState, monkeypatch: pytest.MonkeyPatch
) -> None:
    explain, counts = Ranker.contributions, list[int]()

    def counted(self: Ranker, matrix: Matrix) -> Values:
        counts.append(len(matrix))
        return explain(self, matrix)

    monkeypatch.setattr(Ranker, "contributions", counted)
    state.recommend(ranker, "w159", "pay", NOW, count=2)
    assert counts == [2]


def test_nothing_known_gives_only_those_on_the_roster(ranker: Ranker) -> None:
    empty = AssigneeState(EVENTS[:0], WORKFLOWS[:0])
    asked_at = datetime(2024, 1, 1, tzinfo=UTC)
    assert empty.recommend(ranker, "w1", "pay", asked_at) == []
    found = empty.recommend(ranker, "w1", "pay", asked_at, person_ids=["zoe", "yan"])
    assert [one.person_id for one in found] == ["yan", "zoe"]


def test_many_may_ask_while_it_advances(ranker: Ranker) -> None:
    state = AssigneeState(EVENTS[:600], WORKFLOWS)
    found: list[int] = []

    def ask() -> None:
        answers = [state.recommend(ranker, "w159", "pay", NOW, person_ids=["eva", "zoe"])]
        found.extend(len(one) for one in answers)

    threads = [Thread(target=state.advance, args=(EVENTS[600:], WORKFLOWS))]
    threads += [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [2] * 8
    expected = AssigneeState(EVENTS, WORKFLOWS).recommend(ranker, "w159", "pay", NOW)
    assert state.recommend(ranker, "w159", "pay", NOW) == expected


def test_reasons_are_true_and_the_strongest_comes_first() -> None:
    features = {
        "task_activity_30d_count": 2.5,
        "since_task_activity_s": 7_200.0,
        "task_activity_slowness": -0.3,
        "held_task_count": 1.0,
        "workflow_event_count": 0.0,
    }
    means = {**features, "held_task_count": 3.25}
    candidate = Candidate(features, means, taken_count=3, handover_count=0)
    assert reasons(candidate, np.array([0.1, 0.2, 0.4, 0.3, 0.9])) == (
        "is usually done with this activity in 26% less time than others",
        "holds 1 open task, the candidates' mean is 3.2",
        "last took a task of this activity 2 hours ago",
        "took 3 tasks of this activity in the last 30 days",
    )
    # Where nothing speaks for someone, the plain facts are told.
    assert reasons(candidate, np.full(5, -0.1)) == (
        "took 3 tasks of this activity in the last 30 days",
        "holds 1 open task, the candidates' mean is 3.2",
    )


def test_the_present_person_is_told_apart() -> None:
    rows = [workflow_row(one, 0) for one in "abc"]
    people = [("a", "ann"), ("a", "bob"), ("b", "ann"), ("b", "bob"), ("c", "ann"), ("c", "ann")]
    events = [
        task_event(workflow_id, f"t{one}", "check", None, "completed", person_id, one)
        for one, (workflow_id, person_id) in enumerate(people)
    ]
    state = AssigneeState(number_events(events), pd.DataFrame(rows))
    diary = state._follower.diary
    assert diary.handover_count(0, 1) == 2
    assert diary.handover_count(1, 0) == 0
    assert diary.handover_count(0, 0) == 0  # to go on oneself is no handover
    assert diary.taken_count(0, 0, at(2).timestamp()) == 3
    assert diary.taken_count(0, 0, at(2.5).timestamp()) == 2
