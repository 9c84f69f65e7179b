import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.next_activity.prefixes import END, next_activities, prefix_features
from tests.learning.next_activity.events import ends_after, make_events


def test_what_a_prefix_tells() -> None:
    at = pd.Timestamp("2024-01-05 22:00", tz="UTC")  # a Friday
    hours = [0, 1, 1, 5, 0]
    events = pd.DataFrame(
        {
            "workflow_id": ["a", "a", "a", "a", "b"],
            "as_of": [at + pd.Timedelta(hours=hour) for hour in hours],
            "activity": ["x", "y", "y", "x", "y"],
            "person_id": ["p", None, "q", "r", "s"],
            "team_id": ["t", "t", "u", None, "t"],
            "priority": ["high", "low", "low", "low", None],
            "irrelevant": 1,
        }
    )
    found = prefix_features(events)
    expected = {
        "activity_1": ["x", "y", "y", "x", "y"],
        "activity_2": [None, "x", "y", "y", None],
        "activity_4": [None, None, None, "x", None],
        "person_1": ["p", None, "q", "r", "s"],
        "person_2": [None, "p", None, "q", None],
        "team_1": ["t", "t", "u", None, "t"],
        "position": [1, 2, 3, 4, 1],
        "repeat_count": [1, 1, 2, 1, 1],
        "distinct_activity_count": [1, 2, 2, 2, 1],
        "activity_counts": [
            *('{"x": 1}', '{"x": 1, "y": 1}', '{"x": 1, "y": 2}', '{"x": 2, "y": 2}', '{"y": 1}')
        ],
        "elapsed_s": [0, 3600, 3600, 18000, 0],
        "since_previous_s": [None, 3600, 0, 14400, None],
        "since_before_previous_s": [None, None, 3600, 14400, None],
        "hour": [22, 23, 23, 3, 22],
        "weekday": [4, 4, 4, 5, 4],
        "priority": ["high", "high", "high", "high", None],
    }
    for name, values in expected.items():
        actual = found[name].astype(object)
        assert actual.where(actual.notna(), None).tolist() == values, name
    assert "irrelevant" not in found
    assert next_activities(events).tolist() == ["y", "y", "x", END, END]


@pytest.mark.parametrize("position", [1, 2, 3, 4])
def test_what_comes_later_even_at_the_same_instant_changes_nothing(position: int) -> None:
    events = make_events(60)
    assert events.duplicated(["workflow_id", "as_of"]).any()
    known = events.groupby("workflow_id").cumcount() < position
    cut = prefix_features(ends_after(events, position))
    changed = events.assign(
        activity=events["activity"].where(known, "surprise"),
        person_id=events["person_id"].where(known, "nobody"),
        priority=events["priority"].where(known, "none"),
        workflow_attributes=events["workflow_attributes"].where(known, "{}"),
        as_of=events["as_of"].where(known, events["as_of"] + pd.Timedelta(days=9)),
    )
    whole, other = (prefix_features(one)[known].reset_index(drop=True) for one in (events, changed))
    pd.testing.assert_frame_equal(cut, whole)
    pd.testing.assert_frame_equal(cut, other)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(TrainingError, match="lack the columns activity"):
        prefix_features(make_events(2).drop(columns="activity"))
