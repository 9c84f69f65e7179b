"""Who should take a task if features of some people were others."""

from typing import Any

import numpy as np
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.assignee import state as state_module
from pipelines.learning.assignee.candidates import SOURCES
from pipelines.learning.assignee.ranker import Ranker
from pipelines.learning.assignee.reasons import Candidate, reasons
from pipelines.learning.assignee.rerank import share_load
from pipelines.learning.assignee.state import AssigneeState, Recommendation
from pipelines.learning.assignee.what_if import fault_of, overridden
from tests.learning.assignee.company_ranker import (
    EVENTS,
    NOW,
    WORKFLOWS,
    company_ranker,
    company_state,
    standings,
)

HELD = "held_task_count"
SINCE = "since_task_activity_s"
ASKED: Any = {"workflow_id": "w159", "task_activity": "pay", "as_of": NOW}


@pytest.fixture(scope="module")
def ranker() -> Ranker:
    return company_ranker()


@pytest.fixture(scope="module")
def state() -> AssigneeState:
    """Ann holds two tasks, Cem one."""
    return company_state()


def of(found: list[Recommendation], person_id: str) -> Recommendation:
    return next(one for one in found if one.person_id == person_id)


@pytest.mark.parametrize(
    "changes",
    [
        {HELD: 0},
        {HELD: 7, "task_activity_30d_ratio": 0.9},
        {SINCE: None, "task_activity_slowness": -1.5},
    ],
)
def test_scores_are_the_rankers_of_the_other_values(
    ranker: Ranker, state: AssigneeState, changes: dict[str, float | None]
) -> None:
    usual = standings(ranker, state, **ASKED)
    other = standings(ranker, state, **ASKED, overrides={"ann": changes})

    matrix = usual.ranked.matrix.copy()
    ann = usual.person_ids.index("ann")
    for name, value in changes.items():
        matrix[ann, ranker.names.index(name)] = np.nan if value is None else value
    expected = dict(zip(usual.person_ids, ranker.scores(matrix), strict=True))
    assert dict(zip(other.person_ids, other.ranked.scores, strict=True)) == expected
    assert list(other.ranked.scores) == sorted(expected.values(), reverse=True)
    held = dict(zip(usual.person_ids, usual.held_task_counts, strict=True))
    assert (held["ann"], held["cem"]) == (2, 1)
    held["ann"] = int(changes.get(HELD, 2) or 0)
    assert dict(zip(other.person_ids, other.held_task_counts, strict=True)) == held
    # The next question is answered by what is known.
    again = standings(ranker, state, **ASKED)
    assert (again.person_ids, again.held_task_counts) == (usual.person_ids, usual.held_task_counts)
    assert list(again.ranked.scores) == list(usual.ranked.scores)


def test_other_workflows_held_are_told(ranker: Ranker, state: AssigneeState) -> None:
    found = state.recommend(ranker, **ASKED, overrides={"ann": {"held_workflow_count": 9}})
    assert of(found, "ann").held_workflow_count == 9


def test_they_count_before_anybody_is_nominated(
    ranker: Ranker, state: AssigneeState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module, "MOST_TASK_CANDIDATES", 1)
    (usual,) = state.recommend(ranker, **ASKED)
    # Nothing that nominates is known of them any more.
    changes = {name: None for name in SOURCES if name in ranker.names}
    (other,) = state.recommend(ranker, **ASKED, overrides={usual.person_id: changes})
    assert other.person_id != usual.person_id


@pytest.mark.parametrize(
    ("knows_tasks", "held", "is_moved"),
    [
        (True, dict.fromkeys(("ann", "bob", "cem", "dee"), 0) | {"eva": 40}, True),
        # Nobody would hold anything, and all the same it is the load.
        (True, dict.fromkeys(("ann", "bob", "cem", "dee", "eva"), 0), False),
        # Where a log does not tell how tasks end, the load is that in workflows.
        (False, {"eva": 40}, True),
    ],
)
def test_load_counts_as_it_would_be(
    ranker: Ranker, knows_tasks: bool, held: dict[str, float], is_moved: bool
) -> None:
    events = EVENTS[:600] if knows_tasks else EVENTS[EVENTS["transition"] == "completed"]
    state = AssigneeState(events, WORKFLOWS)
    overrides = {name: {HELD: count} for name, count in held.items()}
    free = standings(ranker, state, **ASKED, overrides=overrides)
    shared = standings(ranker, state, **ASKED, overrides=overrides, load_strength=2)

    load = free.ranked.column(HELD if knows_tasks else "held_workflow_count")
    one_question = np.zeros(len(free), dtype=np.int64)
    expected = share_load(free.ranked.scores, one_question, load, 2)
    got = dict(zip(shared.person_ids, shared.ranked.scores, strict=True))
    assert got == pytest.approx(dict(zip(free.person_ids, expected, strict=True)))
    assert is_moved == (list(expected) != list(free.ranked.scores))


def test_reasons_speak_of_the_other_values(ranker: Ranker, state: AssigneeState) -> None:
    overrides = {name: {HELD: 40 if name == "cem" else 0} for name in state.people}
    found = state.recommend(ranker, **ASKED, overrides=overrides)
    said = [sentence for one in found for sentence in one.reasons if "open task" in sentence]
    assert said
    assert all("the candidates' mean is 8.0" in sentence for sentence in said)
    assert all(f"{of(found, 'cem').held_task_count} open" in one for one in said if "no" not in one)


def test_of_unknown_values_the_means_are_those_of_the_others(
    ranker: Ranker, state: AssigneeState
) -> None:
    usual = standings(ranker, state, **ASKED).ranked
    other = standings(ranker, state, **ASKED, overrides={"ann": {"hour_ratio": None}}).ranked
    ratios = other.column("hour_ratio")
    assert np.isnan(ratios).sum() == 1
    assert other.means["hour_ratio"] == pytest.approx(ratios[~np.isnan(ratios)].mean())
    assert usual.means["hour_ratio"] == pytest.approx(usual.column("hour_ratio").mean())
    nowhere = {name: {SINCE: None} for name in state.people}
    assert np.isnan(standings(ranker, state, **ASKED, overrides=nowhere).ranked.means[SINCE])


def test_counts_of_the_diary_are_not_told_beside_other_features(
    ranker: Ranker, state: AssigneeState
) -> None:
    usual = of(state.recommend(ranker, **ASKED), "eva")
    assert any("in the last 30 days" in one for one in usual.reasons)
    changes = {SINCE: None, "task_activity_30d_count": 0}
    never = of(state.recommend(ranker, **ASKED, overrides={"eva": changes}), "eva")
    assert not any("in the last 30 days" in one for one in never.reasons)
    assert not any("last took a task" in one for one in never.reasons)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"nobody": {HELD: 0}}, "'nobody', who is no candidate"),
        ({"bob": {HELD: 0}}, "'bob', who is no candidate"),  # excluded
        ({"ann": {HELD: 0}}, "'ann', who is no candidate"),  # not on the roster
        ({"zoe": {"held": 0}}, "no feature 'held'"),
        ({"zoe": {HELD: None}}, "whole number"),
    ],
)
def test_what_cannot_be_is_refused(
    ranker: Ranker, state: AssigneeState, overrides: Any, words: str
) -> None:
    asked = {**ASKED, "person_ids": ["bob", "cem", "zoe"], "excluded": ["bob"]}
    with pytest.raises(TrainingError, match=words):
        standings(ranker, state, **asked, overrides=overrides)
    found = state.recommend(ranker, **asked, overrides={"zoe": {HELD: 3}})  # a newcomer
    assert of(found, "zoe").held_task_count == 3


def test_a_feature_that_the_ranker_does_not_read_is_refused() -> None:
    vectors = {"read": np.zeros(2), "unread": np.zeros(2)}
    with pytest.raises(TrainingError, match="no feature 'unread'"):
        overridden(vectors, {0: {"unread": 1}}, ["read"])
    changed = overridden(vectors, {0: {"read": 1}, 1: {"read": 2}}, ["read"])
    assert changed["read"].tolist() == [1, 2]
    assert vectors["read"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (HELD, 0, None),
        (HELD, 3.0, None),
        (HELD, -1, "a whole number"),
        (HELD, 1.5, "a whole number"),
        (HELD, None, "a whole number"),
        (HELD, float("nan"), "a whole number"),
        ("held_workflow_count", float("inf"), "a whole number"),
        ("event_1d_count", 1.5, None),
        ("event_1d_count", -0.5, "0 or more"),
        ("elapsed_s", -1, "0 or more"),
        ("hour_ratio", 1, None),
        ("hour_ratio", 1.1, "from 0 to 1"),
        ("slowness", -3, None),
        ("slowness", float("inf"), "a finite number"),
        ("slowness", None, None),
    ],
)
def test_what_a_value_should_be_is_said(name: str, value: float | None, words: str | None) -> None:
    fault = fault_of(name, value)
    assert (fault is None) if words is None else (fault is not None and words in fault)


def test_of_what_is_not_known_no_reason_speaks() -> None:
    names = ("task_activity_slowness", "workflow_event_count", SINCE, HELD)
    features = {**dict.fromkeys(names, np.nan), HELD: 1.0}
    said = reasons(Candidate(features, {HELD: 1.0}, 0, 0), np.ones(4))
    assert said == (
        "has not taken a task of this activity so far",
        "holds 1 open task, the candidates' mean is 1.0",
    )
