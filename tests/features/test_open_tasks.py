"""Where the number of open tasks goes up and down."""

import pytest
from ibis.backends.duckdb import Backend

from pipelines.features.open_tasks import open_task_changes
from tests.features.tables import MONDAY, Row, at, coded, event, history, rows_of

FIRST_DAY = (MONDAY.date() - MONDAY.date().replace(year=1970)).days
Change = tuple[int, str | None, str | None, int]


def _changes(connection: Backend, events: list[Row]) -> list[Change]:
    table = open_task_changes(coded(history(connection, events)))
    rows = rows_of(connection, table, ["day", "person_id", "team_id", "change"])
    return [(r["day"] - FIRST_DAY, r["person_id"], r["team_id"], r["change"]) for r in rows]


def _event(transition: str, day: float, **columns: object) -> Row:
    return event("w", "A", at(0, 24 * day), transition=transition, task="a", **columns)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([_event("completed", 0)], [], id="never open"),
        pytest.param([_event("created", 0)], [(0, None, None, 1)], id="still open"),
        pytest.param(
            [_event("created", 0, person="p"), _event("cancelled", 1)],
            [(0, "p", None, 1), (1, "p", None, -1)],
            id="cancelled, by nobody named",
        ),
        pytest.param(
            [
                _event("created", 0, team="t"),
                _event("assigned", 1, person="p"),
                _event("started", 2, person="q"),
                _event("completed", 3, person="r"),
            ],
            [
                (0, None, "t", 1),
                (1, None, "t", -1),
                (1, "p", "t", 1),
                (2, "p", "t", -1),
                (2, "q", "t", 1),
                (3, "q", "t", -1),
            ],
            id="handed over",
        ),
        pytest.param(
            [_event("started", 0), _event("completed", 1), _event("started", 2)],
            [(0, None, None, 1), (1, None, None, -1), (2, None, None, 1)],
            id="opened again",
        ),
        pytest.param(
            [_event("started", 0), _event("completed", 1, recorded_at=at(4))],
            [(0, None, None, 1), (4, None, None, -1)],
            id="completion recorded late",
        ),
        pytest.param(
            [_event("started", 0, recorded_at=at(4)), _event("completed", 1)],
            [],
            id="start recorded after the completion",
        ),
        pytest.param(
            [_event("started", 0), _event("completed", 0)],
            [(0, None, None, -1), (0, None, None, 1)],
            id="the same moment, in the log's order",
        ),
    ],
)
def test_changes_of_open_tasks(
    connection: Backend, events: list[Row], expected: list[Change]
) -> None:
    changes = _changes(connection, events)
    assert _net(changes) == _net(expected)


def _net(changes: list[Change]) -> dict[tuple[int, str | None, str | None], int]:
    """Sum a day's changes: only the end of a day counts."""
    net: dict[tuple[int, str | None, str | None], int] = {}
    for day, person, team, change in changes:
        net[day, person, team] = net.get((day, person, team), 0) + change
    return {key: change for key, change in net.items() if change}


def test_same_task_id_in_two_workflows_is_two_tasks(connection: Backend) -> None:
    events = [
        event("v", "A", at(0), transition="created", task="a"),
        event("w", "A", at(1), transition="completed", task="a"),
    ]
    assert _changes(connection, events) == [(0, None, None, 1)]
