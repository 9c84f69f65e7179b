"""Open or closed, and since when that was known."""

import pytest
from ibis.backends.duckdb import Backend

from pipelines.contracts import FeatureView
from tests.features.tables import Row, at, closure, history, view_rows, workflow

OPEN, CLOSED = False, True
Status = tuple[object, ...]


@pytest.mark.parametrize(
    ("workflows", "closures", "expected"),
    [
        pytest.param([], [], [], id="nothing"),
        pytest.param(
            [workflow("w", at(0), recorded_at=at(0, 1))],
            [],
            [(at(0), at(0, 1), OPEN, at(0), None)],
            id="open",
        ),
        pytest.param(
            [workflow("w", at(0))],
            [closure("w", at(2), at(3))],
            [(at(0), at(0), OPEN, at(0), None), (at(2), at(3), CLOSED, at(0), at(2))],
            id="closed, recorded late",
        ),
        pytest.param(
            [workflow("w", at(0))],
            [closure("w", at(0))],
            [(at(0), at(0), CLOSED, at(0), at(0))],
            id="opened and closed at once",
        ),
        pytest.param(
            [workflow("w", at(0))],
            [closure("w", at(0), at(1))],
            [(at(0), at(0), OPEN, at(0), None), (at(0), at(1), CLOSED, at(0), at(0))],
            id="closed at once, recorded later",
        ),
        pytest.param(
            [workflow("w", at(0), recorded_at=at(5))],
            [closure("w", at(2), at(3))],
            [
                (at(0), at(5), OPEN, at(0), None),
                (at(2), at(3), CLOSED, None, at(2)),
                (at(2), at(5), CLOSED, at(0), at(2)),
            ],
            id="opening recorded after the closing",
        ),
        pytest.param(
            [],
            [closure("w", at(2))],
            [(at(2), at(2), CLOSED, None, at(2))],
            id="opening never recorded",
        ),
    ],
)
def test_status(
    connection: Backend, workflows: list[Row], closures: list[Row], expected: list[Status]
) -> None:
    recorded = history(connection, [], workflows, closures)
    rows = view_rows(connection, recorded, FeatureView.WORKFLOW_STATUS)
    names = ["event_timestamp", "created_timestamp", "is_closed", "opened_at", "closed_at"]
    assert [tuple(row[name] for name in names) for row in rows] == expected
    assert {row["workflow_id"] for row in rows} <= {"w"}
