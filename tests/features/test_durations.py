"""Waiting, service and sojourn time, from logs that tell much and logs that tell little."""

import pytest
from ibis.backends.duckdb import Backend

from pipelines.features.durations import completed_tasks, with_due_dates
from pipelines.features.prefixes import known_prefixes, task_prefixes
from tests.features.tables import MONDAY, Row, at, coded, event, history, rows_of, workflow

HOUR = 3600.0
FIRST_DAY = (MONDAY.date() - MONDAY.date().replace(year=1970)).days
DURATIONS = ["waiting_time_s", "service_time_s", "sojourn_time_s"]


def _completions(
    connection: Backend, events: list[Row], workflows: list[Row], columns: list[str]
) -> list[tuple[object, ...]]:
    recorded = history(connection, events, workflows)
    numbers = coded(recorded)
    tasks = task_prefixes(known_prefixes(numbers, recorded.workflows))
    table = with_due_dates(completed_tasks(tasks, numbers), recorded.workflows)
    return [tuple(r.values()) for r in rows_of(connection, table, ["activity", *columns])]


def _task(transition: str, hour: float, **columns: str) -> Row:
    return event("w", "A", at(0, hour), transition=transition, task="a", **columns)


BEGINNING = event("w", "0", at(0, 1))


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param(
            [_task("created", 2), _task("started", 3), _task("completed", 6)],
            (1 * HOUR, 3 * HOUR, 4 * HOUR),
            id="everything is logged",
        ),
        pytest.param(
            [_task("assigned", 2), _task("started", 3), _task("completed", 6)],
            (1 * HOUR, 3 * HOUR, 4 * HOUR),
            id="ready when assigned",
        ),
        pytest.param(
            [_task("started", 3), _task("completed", 6)],
            (2 * HOUR, 3 * HOUR, 5 * HOUR),
            id="ready at the workflow's previous event",
        ),
        pytest.param(
            [_task("created", 2), _task("completed", 6)],
            (None, None, 4 * HOUR),
            id="no start: service unknown, not zero",
        ),
        pytest.param([_task("completed", 6)], (None, None, 5 * HOUR), id="completion only"),
        pytest.param(
            [_task("started", 3), _task("created", 4), _task("completed", 6)],
            (0.0, 3 * HOUR, 3 * HOUR),
            id="started before it was created",
        ),
        pytest.param(
            [
                _task("created", 2),
                _task("started", 3),
                _task("suspended", 4),
                _task("resumed", 5),
                _task("started", 5.5),
                _task("completed", 6),
                _task("completed", 9),
            ],
            (1 * HOUR, 3 * HOUR, 4 * HOUR),
            id="first start, first completion",
        ),
    ],
)
def test_durations_of_a_task(
    connection: Backend, events: list[Row], expected: tuple[float | None, ...]
) -> None:
    rows = _completions(connection, [BEGINNING, *events], [], DURATIONS)
    assert rows == [("0", None, None, None), ("A", *expected)]


def test_cancelled_and_unfinished_tasks_have_no_durations(connection: Backend) -> None:
    events = [_task("created", 1), _task("started", 2), _task("cancelled", 3)]
    assert _completions(connection, events, [], DURATIONS) == []


def test_previous_event_is_the_workflows_own(connection: Backend) -> None:
    events = [BEGINNING, event("v", "B", at(0, 5)), _task("completed", 6)]
    rows = _completions(connection, events, [], ["sojourn_time_s"])
    assert rows == [("0", None), ("A", 5 * HOUR), ("B", None)]


def test_holder_is_the_last_person_and_team_named(connection: Backend) -> None:
    events = [
        _task("assigned", 2, person="p1", team="t1"),
        _task("started", 3, person="p2"),
        _task("completed", 6),
    ]
    rows = _completions(connection, events, [], ["person_id", "team_id", "completed_at"])
    assert rows == [("A", "p2", "t1", at(0, 6))]


def test_completion_counts_from_the_day_it_was_recorded(connection: Backend) -> None:
    late = event("w", "A", at(0, 6), recorded_at=at(2, 1))
    early = event("w", "B", at(3, 6), recorded_at=at(2, 1))
    rows = _completions(connection, [late, early], [], ["happened_day", "known_day"])
    assert rows == [("A", FIRST_DAY, FIRST_DAY + 2), ("B", FIRST_DAY + 3, FIRST_DAY + 3)]


def test_later_recordings_do_not_revise_a_duration(connection: Backend) -> None:
    started = event("w", "A", at(0, 3), transition="started", task="a", recorded_at=at(0, 8))
    rows = _completions(connection, [BEGINNING, started, _task("completed", 6)], [], DURATIONS)
    assert rows == [("0", None, None, None), ("A", None, None, 5 * HOUR)]


@pytest.mark.parametrize(
    ("due_at", "is_on_time"),
    [(at(0, 6), True), (at(0, 5.9), False), (None, None)],
)
def test_on_time_is_by_the_workflows_due_date(
    connection: Backend, due_at: object, is_on_time: bool | None
) -> None:
    opening = workflow("w", at(0), due_at=due_at, recorded_at=at(1))
    columns = ["is_on_time", "known_day", "due_known_day"]
    rows = _completions(connection, [_task("completed", 6)], [opening], columns)
    assert rows == [("A", is_on_time, FIRST_DAY, FIRST_DAY + 1)]
