import json
from datetime import time

import pytest

from .conftest import History

HOLIDAYS = {(1, 1), (5, 1), (12, 25), (12, 26)}
BEGIN, END = ("started", "resumed"), ("suspended", "completed", "cancelled")


@pytest.fixture(scope="module")
def hours(small: History) -> dict[str, dict[int, tuple[time, time]]]:
    people = small.frame("people").set_index("person_id").working_hours.map(json.loads)
    return {
        person: {
            int(day): tuple(time.fromisoformat(text) for text in shifts[0])
            for day, shifts in week.items()
        }
        for person, week in people.items()
    }


def test_nobody_works_outside_their_hours(
    small: History, hours: dict[str, dict[int, tuple[time, time]]]
) -> None:
    events = small.frame("task_events")
    work = events[events.transition.isin([*BEGIN, "suspended", "completed"])]
    assert len(work) > 6_000
    for event in work.itertuples():
        at = event.occurred_at
        shift = hours[event.person_id].get(at.isoweekday())
        assert shift is not None, event
        if event.transition in BEGIN:
            assert shift[0] <= at.time() < shift[1], event
        else:
            assert shift[0] < at.time() <= shift[1], event
        assert (at.month, at.day) not in HOLIDAYS, event


def test_nobody_works_on_leave(small: History) -> None:
    events, leaves = small.frame("task_events"), small.frame("leaves")
    work = events[events.transition.isin([*BEGIN, "suspended", "completed"])]
    end = events.occurred_at.max()
    assert (leaves.starts_at < end).sum() > 10
    both = work.merge(leaves, on="person_id")
    assert not ((both.occurred_at >= both.starts_at) & (both.occurred_at < both.ends_at)).any()


def test_nobody_has_two_tasks_at_hand(small: History) -> None:
    events = small.frame("task_events")
    at_hand: dict[str, str] = {}
    for event in events.itertuples():
        if event.transition in BEGIN:
            assert at_hand.setdefault(event.person_id, event.task_id) == event.task_id, event
        elif event.transition in END and at_hand.get(event.person_id) == event.task_id:
            del at_hand[event.person_id]


def test_people_have_the_skill_and_are_of_the_team(small: History) -> None:
    events, people = small.frame("task_events"), small.frame("people")
    started = events[events.transition.isin(BEGIN)]
    workflows = small.frame("workflows")[["workflow_id", "template_id"]]
    steps = small.frame("template_tasks")[["template_id", "activity", "skill_id"]]
    asked = started.merge(workflows, on="workflow_id").merge(steps, on=["template_id", "activity"])
    assert len(asked) == len(started)
    held = small.frame("person_skills")
    pairs = set(zip(held.person_id, held.skill_id, strict=True))
    assert set(zip(asked.person_id, asked.skill_id, strict=True)) <= pairs
    teams = people.set_index("person_id").team_id
    assert (started.person_id.map(teams) == started.team_id).all()


def test_a_long_absence_hands_tasks_over(small: History) -> None:
    events = small.frame("task_events")
    absent = events[events.attributes.str.contains("absence")]
    assert len(absent) > 0
    after = events[events.task_id.isin(absent.task_id)].sort_values("sequence")
    people = after[after.transition.isin(BEGIN)].groupby("task_id").person_id.nunique()
    assert (people > 1).any()
