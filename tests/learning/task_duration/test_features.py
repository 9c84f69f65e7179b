import pandas as pd
import pytest

from pipelines.learning.task_duration.features import task_features
from pipelines.learning.task_duration.spans import Span, task_spans
from tests.learning.task_history import TaskHistory, make_task_history


@pytest.fixture(scope="module")
def history() -> TaskHistory:
    return make_task_history(60)


def features_of(history: TaskHistory, span: Span = Span.SERVICE) -> pd.DataFrame:
    return task_features(task_spans(history.tasks, history.events, span), history.events)


@pytest.mark.parametrize("span", list(Span))
def test_what_comes_later_moves_no_feature(history: TaskHistory, span: Span) -> None:
    """Cut the history at a moment: tasks that had begun have the features they had."""
    before = features_of(history, span)
    labels = ["ended_at", "duration_s"]
    longest = before["duration_s"].idxmax()
    for cut in (before["as_of"].iloc[121], before["ended_at"].iloc[longest]):
        tasks, events = history.tasks.copy(), history.events
        for name in ("created_at", "started_at", "completed_at"):
            tasks[name] = tasks[name].where(tasks[name] < cut)
        known = TaskHistory(tasks, events[events["as_of"] < cut])
        after = features_of(known, span)
        early = before[before["as_of"] < cut].drop(columns=labels).reset_index(drop=True)
        after = after[after["as_of"] < cut].drop(columns=labels).reset_index(drop=True)
        assert len(early) > 20
        pd.testing.assert_frame_equal(early, after)


def test_a_duration_is_known_only_once_the_task_has_ended(history: TaskHistory) -> None:
    spans = task_spans(history.tasks, history.events, Span.SERVICE)
    begun, ended = spans.loc[[20, 60], "as_of"]
    # The twentieth task shall last until the sixtieth begins.
    spans.loc[20, ["ended_at", "left_at"]] = ended
    spans.loc[20, "duration_s"] = (ended - begun).total_seconds()
    changed = spans.copy()
    changed.loc[20, "duration_s"] *= 100
    before, after = (task_features(one, history.events) for one in (spans, changed))
    moved = (before.drop(columns="duration_s").compare(after.drop(columns="duration_s"))).index
    assert len(moved)
    assert (before.loc[moved, "as_of"] > ended).all()


def test_the_past_of_person_and_activity() -> None:
    minute = pd.Timedelta(minutes=1)
    start = pd.Timestamp("2024-05-06 08:00", tz="UTC")
    rows = [  # activity, person, began at, took minutes
        ("check", "ann", 0, 10),
        ("check", "ann", 5, 20),  # ann does two things at once
        ("check", "bob", 12, 2),
        ("check", "ann", 20, 1),
        ("file", "ann", 40, 3),
        ("check", "ann", 60, 5),
    ]
    spans = pd.DataFrame(
        {
            "task_id": [f"t{i}" for i in range(len(rows))],
            "workflow_id": ["w", "w", "v", "w", "v", "v"],
            "activity": [activity for activity, *_ in rows],
            "person_id": [person for _, person, *_ in rows],
            "done_by": [person for _, person, *_ in rows],
            "as_of": [start + begun * minute for *_, begun, _ in rows],
            "ended_at": [start + (begun + took) * minute for *_, begun, took in rows],
            "waited_s": 0.0,
            "duration_s": [60.0 * took for *_, took in rows],
        }
    )
    spans["left_at"] = spans["ended_at"]
    events = spans[["workflow_id", "as_of"]]
    found = task_features(spans, events)

    def shown(name: str, scale: float = 60.0) -> list[float | None]:
        return [None if pd.isna(value) else value / scale for value in found[name]]

    assert shown("person_activity_last_duration_s") == [None, None, None, 10, None, 20]
    assert shown("person_last_5_median_s") == [None, None, None, 10, 10, 6.5]
    assert shown("activity_last_5_median_s") == [None, None, 10, 6, None, 6]
    assert shown("workflow_last_duration_s") == [None, None, None, 10, 2, 3]
    assert shown("person_open_count", 1) == [0, 1, 0, 1, 0, 0]
    assert shown("open_count", 1) == [0, 1, 1, 1, 0, 0]
    assert shown("person_begun_count", 1) == [0, 1, 0, 2, 3, 4]
    assert shown("since_person_left_s") == [None, None, None, 10, 15, 17]
    assert shown("since_person_began_s") == [None, 5, None, 15, 20, 20]
    assert shown("hour", 1) == pytest.approx([8, 8 + 5 / 60, 8.2, 8 + 1 / 3, 8 + 2 / 3, 9])
    assert shown("since_event_s") == [None, 5, None, 15, 28, 20]


def test_a_task_that_ends_as_it_begins_tells_nothing() -> None:
    history = make_task_history(3)
    tasks, events = history.tasks, history.events
    spans = task_spans(tasks, events, Span.SERVICE)
    # The workflow's next event at the very start: its completion.
    at_once = events.assign(
        as_of=events["as_of"].where(events["transition"] != "completed", events["as_of"].shift(1))
    )
    first = task_features(spans, at_once).iloc[0]
    assert first["workflow_progress__event_count"] == 1  # created, not started nor completed
