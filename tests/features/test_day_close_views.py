"""Every column of the views that close a day, by hand."""

import pytest
from ibis.backends.duckdb import Backend

from pipelines.contracts import FeatureView
from pipelines.features.views import VIEWS
from tests.features.tables import Row, at, closure, day_end, event, history, view_rows, workflow

HOUR = 3600.0
DAY = 24 * HOUR


def _close(day: int) -> Row:
    return {"event_timestamp": day_end(day), "created_timestamp": day_end(day)}


def _rows(
    connection: Backend, view: FeatureView, events: list[Row], workflows: list[Row] | None = None
) -> list[Row]:
    return view_rows(connection, history(connection, events, workflows or []), view)


def _expected(view: FeatureView, *rows: tuple[object, ...]) -> list[Row]:
    """Rows given as entity values, day, features, in the view's order."""
    spec = VIEWS[view]
    width = len(spec.entities)
    features = [column.name for column in spec.columns]
    return [
        dict(zip(spec.entity_columns, row[:width], strict=True))
        | _close(row[width])  # type: ignore[arg-type]
        | dict(zip(features, row[width + 1 :], strict=True))
        for row in rows
    ]


def test_activity_stats(connection: Backend) -> None:
    events = [
        event("w1", "A", at(0, 8), transition="created", task="a"),
        event("w1", "A", at(0, 9), transition="started", task="a"),
        event("w1", "A", at(0, 10), task="a"),  # sojourn 2 h
        event("w2", "B", at(0, 8)),
        event("w2", "A", at(0, 9)),  # sojourn 1 h
        event("w3", "A", at(0, 0), transition="created", task="c"),
        event("w3", "A", at(0, 10), task="c"),  # sojourn 10 h
        event("w4", "A", at(1, 9), transition="created", task="d"),
        event("w5", "A", at(0, 12), recorded_at=at(1, 12)),
        event("w6", "A", at(30, 12)),
        event("w7", "A", at(0, 13), recorded_at=at(40, 12)),
    ]
    view = FeatureView.ACTIVITY_STATS
    assert _rows(connection, view, events) == _expected(
        view,
        ("A", 0, 6, 3, 2 * HOUR, 15_600.0, 0, 3, None, 3, 0, 0),
        ("A", 1, 8, 4, 2 * HOUR, 15_600.0, 1, 5, None, 5, 0, 0),
        # Days 1 to 30: what happened on day 0 is out.
        ("A", 30, 2, 1, None, None, 1, 6, None, 6, 0, 0),
        # Recorded too late to count as an event of these days, but it is an open workflow.
        ("A", 40, 1, 1, None, None, 1, 7, None, 7, 0, 0),
        ("B", 0, 1, 1, None, None, 0, 0, None, 3, 0, 0),
    )


def test_states_and_times_to_closing(connection: Backend) -> None:
    events = [
        event("w1", "A", at(0, 8)),
        event("w1", "B", at(0, 20)),
        event("w2", "A", at(0, 9)),
        event("w2", "A", at(1, 9)),  # from its last A on
        event("w2", "B", at(2, 9), recorded_at=at(4, 9)),  # after the closing is known
        event("w3", "A", at(2, 9)),
        event("w3", "B", at(2, 8), recorded_at=at(3, 8)),  # a later event was known already
        event("w4", "B", at(40, 8)),
    ]
    openings = [
        workflow("w1", at(-7, 8)),
        workflow("w2", at(0, 9), recorded_at=at(1, 9)),
        workflow("w3", at(2, 9)),
    ]
    closures = [
        closure("w1", at(1, 8)),  # 24 h after A, 12 h after B
        closure("w2", at(1, 11), recorded_at=at(3, 11)),  # 2 h after A
        closure("w2", at(9, 11), recorded_at=at(9, 11)),  # the first one recorded holds
    ]
    recorded = history(connection, events, openings, closures)
    rows = view_rows(connection, recorded, FeatureView.ACTIVITY_STATS)
    columns = (
        "activity",
        "event_timestamp",
        "state_workflow_count",
        "remaining_time_s_mean_30d",
        "open_workflow_count",
        "opened_workflow_count_7d",
        "closed_workflow_count_7d",
    )
    assert [tuple(row[name] for name in columns) for row in rows] == [
        ("A", day_end(0), 1, None, 2, 0, 0),  # w2's opening is not known yet, w1's too long ago
        ("A", day_end(1), 1, 24 * HOUR, 1, 1, 1),
        ("A", day_end(2), 2, 24 * HOUR, 2, 2, 1),
        ("B", day_end(0), 1, None, 2, 0, 0),
        ("B", day_end(3), 0, 12 * HOUR, 1, 2, 2),
        ("B", day_end(4), 0, 12 * HOUR, 1, 2, 2),
        ("B", day_end(40), 1, None, 2, 0, 0),
    ]


def test_person_workload(connection: Backend) -> None:
    events = [
        event("w1", "A", at(0, 8), transition="created", task="a", person="p1"),
        event("w1", "A", at(1, 8), transition="assigned", task="a", person="p2"),
        event("w1", "A", at(2, 8), task="a"),  # by p2, 48 h, on time
        event("w2", "B", at(2, 6), person="p3"),  # late
        event("w2", "C", at(2, 7), person="p2"),  # 1 h, late
        event("w3", "C", at(9, 7), person="p2"),  # without due date, sojourn unknown
        event("w4", "C", at(33, 7)),  # by nobody known
    ]
    workflows = [
        workflow("w1", at(0), due_at=at(3)),
        workflow("w2", at(0), due_at=at(1)),
        workflow("w3", at(9)),
    ]
    view = FeatureView.PERSON_WORKLOAD
    assert _rows(connection, view, events, workflows) == _expected(
        view,
        ("p1", 0, 1, 0, 0, None, None),
        ("p1", 1, 0, 0, 0, None, None),  # handed over: the change is p1's news too
        ("p2", 1, 1, 0, 0, None, None),
        ("p2", 2, 0, 2, 2, 24.5 * HOUR, 0.5),
        ("p2", 9, 0, 1, 3, 24.5 * HOUR, 0.5),  # days 3 to 9, and -20 to 9
        ("p3", 2, 0, 1, 1, None, 0.0),
    )


@pytest.mark.parametrize(("last_day", "count_7d", "count_30d"), [(6, 2, 2), (7, 1, 2), (30, 1, 1)])
def test_windows_end_with_the_closing_day(
    connection: Backend, last_day: int, count_7d: int, count_30d: int
) -> None:
    events = [event("w", "A", at(day, 23), person="p") for day in (0, last_day)]
    row = _rows(connection, FeatureView.PERSON_WORKLOAD, events)[-1]
    assert (row["completed_count_7d"], row["completed_count_30d"]) == (count_7d, count_30d)


def test_due_date_recorded_late_counts_from_then_on(connection: Backend) -> None:
    events = [event("w", "A", at(0, 1), person="p"), event("v", "A", at(2, 1), person="p")]
    opening = workflow("w", at(0), due_at=at(1), recorded_at=at(1, 1))
    rows = _rows(connection, FeatureView.PERSON_WORKLOAD, events, [opening])
    assert [row["on_time_ratio"] for row in rows] == [None, 1.0]


def test_person_activity(connection: Backend) -> None:
    events = [
        event("w1", "A", at(0, 8), transition="started", task="a", person="p1"),
        event("w1", "A", at(0, 9), task="a", person="p1"),  # service 1 h
        event("w2", "A", at(0, 8), transition="started", task="b", person="p2"),
        event("w2", "A", at(0, 11), task="b", person="p2"),  # service 3 h
        event("w3", "A", at(1, 8), transition="started", task="c", person="p1"),
        event("w3", "A", at(1, 10), task="c", person="p1"),  # service 2 h
        event("w4", "O", at(0, 8), person="p3"),
        event("w4", "B", at(0, 9), person="p1"),  # sojourn 1 h
        event("w5", "O", at(0, 8), person="p3"),
        event("w5", "B", at(0, 10), person="p2"),  # sojourn 2 h
        event("w6", "O", at(0, 8), person="p3"),
        event("w6", "B", at(0, 14)),  # sojourn 6 h, of everyone
        event("w7", "O", at(-1, 8), person="p3", recorded_at=at(2, 8)),
    ]
    view = FeatureView.PERSON_ACTIVITY
    assert _rows(connection, view, events) == _expected(
        view,
        ("p1", "A", 0, 1, at(0, 9), 0.5),
        ("p1", "A", 1, 2, at(1, 10), 0.75),
        ("p1", "B", 0, 1, at(0, 9), pytest.approx(1 / 3)),
        ("p2", "A", 0, 1, at(0, 11), 1.5),
        ("p2", "B", 0, 1, at(0, 10), pytest.approx(2 / 3)),
        ("p3", "O", 0, 3, at(0, 8), None),
        ("p3", "O", 2, 4, at(0, 8), None),  # recorded late: counted, but not the latest
    )


def test_team_load(connection: Backend) -> None:
    events = [
        event("w1", "A", at(0, 8), transition="created", task="a", team="t1"),
        event("w2", "A", at(0, 9), person="p1", team="t1"),
        event("w3", "A", at(1, 8), transition="started", task="b", person="p1", team="t2"),
        event("w1", "A", at(2, 8), transition="assigned", task="a", person="p2", team="t2"),
        event("w2", "B", at(2, 9), person="p2", team="t1"),
        event("w4", "B", at(31, 9), person="p2", team="t1"),
        event("w5", "B", at(3, 9), person="p3", team="t1", recorded_at=at(31, 9)),
        event("w6", "B", at(31, 9), person="p4"),
    ]
    view = FeatureView.TEAM_LOAD
    assert _rows(connection, view, events) == _expected(
        view,
        ("t1", 0, 1, 1, 1),
        ("t1", 2, 0, 2, 2),
        ("t1", 31, 0, 1, 2),  # days 2 to 31: p1 is out, p3 is in though recorded late
        ("t2", 1, 1, 0, 1),
        ("t2", 2, 2, 0, 2),
    )


@pytest.mark.parametrize(
    "view",
    sorted(set(FeatureView) - {FeatureView.WORKFLOW_PROGRESS, FeatureView.WORKFLOW_STATUS}),
)
def test_empty_history_has_no_rows(connection: Backend, view: FeatureView) -> None:
    assert _rows(connection, view, []) == []


def test_recorded_at_the_end_of_a_day_belongs_to_the_next(connection: Backend) -> None:
    events = [
        event("w", "A", at(0, 1)),
        event("v", "A", at(0, 2), recorded_at=at(1)),
        event("u", "A", day_end(0)),
    ]
    rows = _rows(connection, FeatureView.ACTIVITY_STATS, events)
    assert [(row["created_timestamp"], row["event_count_30d"]) for row in rows] == [
        (day_end(0), 2),
        (day_end(1), 3),
    ]
