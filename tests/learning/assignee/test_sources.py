import numpy as np
import pytest

from pipelines.learning.assignee import collaborative
from pipelines.learning.assignee.coded_log import NONE, Event
from pipelines.learning.assignee.collaborative import Collaborative
from pipelines.learning.assignee.content import Content
from pipelines.learning.assignee.handovers import DAY_S, Handovers
from pipelines.learning.assignee.question import Question, Trace
from pipelines.learning.assignee.workload import Workload


def question(activity: int, person: int = 0, now_s: float = 0.0, count: int = 4) -> Question:
    return Question(Trace([person], [activity], [now_s]), now_s, count)


def event(workflow: int, person: int, time_s: float) -> Event:
    return Event(workflow, 0, person, NONE, (), time_s, np.nan)


def test_handovers_back_off_from_the_strict_situation_to_the_loose() -> None:
    handovers = Handovers()
    for _ in range(3):
        handovers.learn(question(activity=7), 1)
    handovers.learn(question(activity=8), 2)
    seven = handovers.features(question(activity=7))
    # All: (3 + 3/4) / 7 and (1 + 3/4) / 7; activity 7: three more counts of the first.
    loose = np.array([0.75, 3.75, 1.75, 0.75]) / 7
    np.testing.assert_allclose(seven["took_over_all_30d_ratio"], loose)
    strict = (np.array([0, 3, 0, 0]) + 3 * loose) / 6
    np.testing.assert_allclose(seven["took_over_activity_30d_ratio"], strict)
    new = handovers.features(question(activity=9))
    np.testing.assert_allclose(new["took_over_people_30d_ratio"], loose)
    np.testing.assert_allclose(seven["took_over_from_person_30d_ratio"], [0, 0.6, 0.2, 0])


def test_handovers_fade_and_the_present_person_takes_no_share() -> None:
    handovers = Handovers()
    handovers.learn(question(activity=7), 1)
    later = handovers.features(question(activity=7, person=1, now_s=7 * DAY_S))
    assert later["took_over_all_7d_ratio"].tolist() == [0.25] * 4
    faded = handovers.features(question(activity=7, person=2, now_s=7 * DAY_S))
    assert faded["took_over_all_7d_ratio"][1] == pytest.approx((0.5 + 0.75) / 3.5)
    assert faded["since_taking_over_activity_s"][1] == 7 * DAY_S


def test_people_who_work_alike_are_proposed_for_what_they_have_not_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collaborative, "_FIRST_FIT_COUNT", 16)
    source = Collaborative()
    # 0 and 1 share the activities 10 and 11, and 0 does 12 too; 2 and 3 do 20.
    done = [(0, 10), (0, 11), (0, 12), (1, 10), (1, 11), (2, 20), (3, 20), (2, 20)]
    for person, activity in done:
        source.learn(question(activity, person=9), person)
    for name, scores in source.features(question(12, count=5)).items():
        assert scores[1] > 0, name
        assert scores[[2, 3]].tolist() == [0, 0], name
        assert np.isnan(scores[4]), name
    assert np.isnan(source.features(question(99))["user_based_score"]).all()


def test_content_prefers_experience_to_volume() -> None:
    content = Content()
    for person, activity, count in ((0, 5, 4), (1, 5, 4), (1, 6, 40), (2, 6, 4)):
        for _ in range(count):
            content.learn(Trace([person], [activity], [0.0]))
    score = content.score(question(5))
    assert score[0] > score[1] > score[2]
    assert score[3] == 0  # nothing is known: the average
    context = content.score(Question(Trace([3], [5], [0.0], context=(1,)), 0.0, 4))
    np.testing.assert_array_equal(context, score)  # a value nobody met says nothing


def test_work_lies_with_the_last_person_until_it_is_quiet() -> None:
    workload = Workload()
    for one in (event(1, 0, 0.0), event(2, 0, 1.0), event(1, 1, 2.0)):
        workload.learn(one)
    assert workload.held(2.0, 3).tolist() == [1, 1, 0]
    assert workload.held(14 * DAY_S + 1.5, 3).tolist() == [0, 1, 0]
    assert workload.held(14 * DAY_S + 2.5, 3).tolist() == [0, 0, 0]
