"""Every column of workflow_progress, by hand."""

from ibis.backends.duckdb import Backend

from pipelines.contracts import FeatureView
from tests.features.tables import Row, at, event, history, view_rows, workflow

VIEW = FeatureView.WORKFLOW_PROGRESS


def _event(activity: str, hour: float, transition: str, task: str, **columns: str) -> Row:
    return event("w", activity, at(0, hour), transition=transition, task=task, **columns)


def test_every_column(connection: Backend) -> None:
    events = [
        _event("A", 8, "created", "a", team="t1"),
        _event("A", 9, "started", "a", person="p1", attributes='{"cost": 10}'),
        _event("A", 10.5, "completed", "a", person="p1", attributes='{"cost": 12, "note": "ok"}'),
        _event("B", 10.5, "completed", "b", person="p2"),
        _event("A", 33, "completed", "c", team="t2", attributes='{"cost": null}'),
    ]
    opening = workflow(
        "w",
        at(0, 7),
        due_at=at(2, 12),
        template_id="standard",
        client_id="c1",
        priority="high",
        attributes='{"amount": 5}',
    )
    every = {
        "workflow_id": "w",
        "opened_at": at(0, 7),
        "due_at": at(2, 12),
        "template_id": "standard",
        "client_id": "c1",
        "priority": "high",
        "workflow_attributes": '{"amount": 5}',
    }
    expected = [
        {
            "event_timestamp": at(0, 8),
            "created_timestamp": at(0, 8),
            "last_event_at": at(0, 8),
            "event_count": 1,
            "elapsed_s": 3600.0,
            "since_previous_event_s": None,
            "working_elapsed_s": 0.0,
            "last_activity": "A",
            "previous_activity_1": None,
            "previous_activity_2": None,
            "previous_activity_3": None,
            "last_transition": "created",
            "last_person_id": None,
            "last_team_id": "t1",
            "task_age_s": 0.0,
            "task_waiting_time_s": None,
            "activity_counts": '{"A": 1}',
            "distinct_activity_count": 1,
            "rework_count": 0,
            "handover_count": 0,
            "open_task_count": 1,
            "task_attributes": "{}",
        },
        {
            "event_timestamp": at(0, 9),
            "created_timestamp": at(0, 9),
            "last_event_at": at(0, 9),
            "event_count": 2,
            "elapsed_s": 2 * 3600.0,
            "since_previous_event_s": 3600.0,
            "working_elapsed_s": 3600.0,
            "last_activity": "A",
            "previous_activity_1": "A",
            "previous_activity_2": None,
            "previous_activity_3": None,
            "last_transition": "started",
            "last_person_id": "p1",
            "last_team_id": "t1",
            "task_age_s": 3600.0,
            "task_waiting_time_s": 3600.0,
            "activity_counts": '{"A": 2}',
            "distinct_activity_count": 1,
            "rework_count": 0,
            "handover_count": 0,
            "open_task_count": 1,
            "task_attributes": '{"cost": 10}',
        },
        {
            "event_timestamp": at(0, 10.5),
            "created_timestamp": at(0, 10.5),
            "last_event_at": at(0, 10.5),
            "event_count": 4,
            "elapsed_s": 3.5 * 3600,
            "since_previous_event_s": 1.5 * 3600,
            "working_elapsed_s": 2.5 * 3600,
            "last_activity": "B",
            "previous_activity_1": "A",
            "previous_activity_2": "A",
            "previous_activity_3": "A",
            "last_transition": "completed",
            "last_person_id": "p2",
            "last_team_id": "t1",
            "task_age_s": 0.0,
            "task_waiting_time_s": None,
            "activity_counts": '{"A": 3, "B": 1}',
            "distinct_activity_count": 2,
            "rework_count": 0,
            "handover_count": 1,
            "open_task_count": 0,
            "task_attributes": '{"cost": 12, "note": "ok"}',
        },
        {
            "event_timestamp": at(1, 9),
            "created_timestamp": at(1, 9),
            "last_event_at": at(1, 9),
            "event_count": 5,
            "elapsed_s": 26 * 3600.0,
            "since_previous_event_s": 22.5 * 3600,
            "working_elapsed_s": 11 * 3600.0,
            "last_activity": "A",
            "previous_activity_1": "B",
            "previous_activity_2": "A",
            "previous_activity_3": "A",
            "last_transition": "completed",
            "last_person_id": "p2",
            "last_team_id": "t2",
            "task_age_s": 0.0,
            "task_waiting_time_s": None,
            "activity_counts": '{"A": 4, "B": 1}',
            "distinct_activity_count": 2,
            "rework_count": 1,
            "handover_count": 1,
            "open_task_count": 0,
            "task_attributes": '{"cost": 12, "note": "ok"}',
        },
    ]
    rows = view_rows(connection, history(connection, events, [opening]), VIEW)
    assert rows == [every | row for row in expected]


def _short(rows: list[Row], *columns: str) -> list[tuple[object, ...]]:
    names = ("event_timestamp", "created_timestamp", *columns)
    return [tuple(row[name] for name in names) for row in rows]


def test_late_event_corrects_the_rows_from_its_moment_on(connection: Backend) -> None:
    events = [
        event("w", "A", at(0, 0)),
        event("w", "B", at(0, 1), recorded_at=at(0, 5)),
        event("w", "C", at(0, 3)),
        event("w", "D", at(0, 7)),
    ]
    rows = view_rows(connection, history(connection, events, [workflow("w", at(0))]), VIEW)
    assert _short(rows, "event_count", "last_activity", "previous_activity_1") == [
        (at(0, 0), at(0, 0), 1, "A", None),
        (at(0, 1), at(0, 5), 2, "B", "A"),
        (at(0, 3), at(0, 3), 2, "C", "A"),
        (at(0, 3), at(0, 5), 3, "C", "B"),
        (at(0, 7), at(0, 7), 4, "D", "C"),
    ]


def test_opening_recorded_late_is_used_from_then_on(connection: Backend) -> None:
    events = [event("w", "A", at(0, 1)), event("w", "B", at(0, 4))]
    opening = workflow("w", at(0, 0), recorded_at=at(0, 2), priority="high", attributes='{"a":1}')
    rows = view_rows(connection, history(connection, events, [opening]), VIEW)
    assert _short(rows, "opened_at", "elapsed_s", "priority", "workflow_attributes") == [
        (at(0, 1), at(0, 1), at(0, 1), 0.0, None, "{}"),
        (at(0, 1), at(0, 2), at(0, 0), 3600.0, "high", '{"a":1}'),
        (at(0, 4), at(0, 4), at(0, 0), 4 * 3600.0, "high", '{"a":1}'),
    ]


def test_workflow_without_opening_opens_with_its_first_event(connection: Backend) -> None:
    events = [event("w", "A", at(0, 1)), event("w", "B", at(0, 2)), event("v", "B", at(0, 2))]
    rows = view_rows(connection, history(connection, events), VIEW)
    assert [(r["workflow_id"], r["opened_at"], r["elapsed_s"]) for r in rows] == [
        ("v", at(0, 2), 0.0),
        ("w", at(0, 1), 0.0),
        ("w", at(0, 1), 3600.0),
    ]


def test_rework_is_an_event_of_an_activity_completed_before(connection: Backend) -> None:
    events = [
        event("w", "A", at(0, 1), transition="started", task="a"),
        event("w", "A", at(0, 2), task="a"),
        event("w", "A", at(0, 3), transition="started", task="b"),
        event("w", "A", at(0, 4), task="b"),
        event("w", "B", at(0, 5), transition="cancelled", task="c"),
        event("w", "B", at(0, 6), task="d"),
    ]
    rows = view_rows(connection, history(connection, events), VIEW)
    assert [row["rework_count"] for row in rows] == [0, 0, 1, 2, 2, 2]


def test_events_without_a_person_are_no_handover(connection: Backend) -> None:
    people = ["p1", None, "p1", "p2", None, "p1"]
    events = [event("w", "A", at(0, n), person=person) for n, person in enumerate(people)]
    rows = view_rows(connection, history(connection, events), VIEW)
    assert [row["handover_count"] for row in rows] == [0, 0, 0, 1, 1, 2]
    assert [row["last_person_id"] for row in rows] == ["p1", "p1", "p1", "p2", "p2", "p1"]


def test_empty_history_has_no_rows(connection: Backend) -> None:
    assert view_rows(connection, history(connection), VIEW) == []
