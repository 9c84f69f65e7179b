"""Versions of a workflow: what was known, and from when on."""

from ibis.backends.duckdb import Backend

from pipelines.features.coding import with_texts
from pipelines.features.history import History
from pipelines.features.prefixes import known_prefixes
from tests.features.tables import Row, at, coded, event, history, rows_of, workflow


def _prefixes(connection: Backend, recorded: History, columns: list[str]) -> list[Row]:
    numbers = coded(recorded)
    prefixes = known_prefixes(numbers, recorded.workflows)
    prefixes = prefixes.inner_join(numbers.workflows, "workflow")
    texts = {"activity": ("activity_code", numbers.activities)}
    return rows_of(connection, with_texts(prefixes, texts), columns)


def _versions(
    connection: Backend, events: list[Row], workflows: list[Row]
) -> list[tuple[int, list[str]]]:
    recorded = history(connection, events, workflows)
    rows = _prefixes(connection, recorded, ["workflow_id", "version", "position", "activity"])
    versions: dict[int, list[str]] = {}
    for row in rows:
        versions.setdefault(row["version"], []).append(row["activity"])
        assert row["position"] == len(versions[row["version"]])
    return list(versions.items())


def test_events_recorded_in_order_are_one_version(connection: Backend) -> None:
    events = [event("w", "B", at(0, 2)), event("w", "A", at(0, 1)), event("w", "C", at(0, 2))]
    assert _versions(connection, events, [workflow("w", at(0, 1))]) == [(0, ["A", "B", "C"])]


def test_late_event_begins_a_version_without_what_came_after(connection: Backend) -> None:
    events = [
        event("w", "A", at(0, 1)),
        event("w", "B", at(0, 2), recorded_at=at(0, 5)),
        event("w", "C", at(0, 3)),
        event("w", "D", at(0, 6)),
    ]
    expected = [(0, ["A", "C"]), (1, ["A", "B", "C", "D"])]
    assert _versions(connection, events, [workflow("w", at(0, 1))]) == expected


def test_event_of_the_same_moment_recorded_later_is_late(connection: Backend) -> None:
    events = [event("w", "A", at(0, 1)), event("w", "B", at(0, 1), recorded_at=at(0, 2))]
    assert _versions(connection, events, []) == [(0, ["A"]), (1, ["A", "B"])]


def test_batch_recorded_at_once_is_one_version(connection: Backend) -> None:
    events = [event("w", a, at(0, n), recorded_at=at(1)) for n, a in enumerate("CAB")]
    assert _versions(connection, events, []) == [(0, ["C", "A", "B"])]


def test_opening_recorded_after_an_event_begins_a_version(connection: Backend) -> None:
    events = [event("w", "A", at(0, 1)), event("w", "B", at(0, 3))]
    opening = workflow("w", at(0, 1), recorded_at=at(0, 2))
    assert _versions(connection, events, [opening]) == [(0, ["A"]), (1, ["A", "B"])]


def test_workflows_do_not_disturb_each_other(connection: Backend) -> None:
    events = [
        event("v", "A", at(0, 1)),
        event("w", "B", at(0, 0.5), recorded_at=at(0, 2)),
        event("v", "C", at(0, 3)),
    ]
    recorded = history(connection, events)
    rows = _prefixes(connection, recorded, ["workflow_id", "version", "activity", "position"])
    assert [tuple(row.values()) for row in rows] == [
        ("v", 0, "A", 1),
        ("v", 0, "C", 2),
        ("w", 0, "B", 1),
    ]
