"""No row of any view depends on anything recorded after its created_timestamp."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

import ibis
import pyarrow as pa
import pytest
from ibis.backends.duckdb import Backend

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP, FeatureView, HistoryTable
from pipelines.features.compute import ViewComputer
from pipelines.features.history import History
from pipelines.features.views import VIEWS
from tests.features.random_history import random_tables
from tests.features.tables import Row, at, before, load, rows_of

SEEDS = (1, 2, 3)


def _all_views(connection: Backend, history: History) -> Mapping[FeatureView, list[Row]]:
    def keep(name: str, table: ibis.Table) -> ibis.Table:
        return connection.create_table(ibis.util.gen_name(name), table, temp=True)

    computer = ViewComputer(history, keep)
    return {
        view: rows_of(connection, computer.view(view), spec.schema.names)
        for view, spec in VIEWS.items()
    }


def _moments(seed: int) -> list[datetime]:
    """Random moments, the start of a day and a moment at which something is recorded."""
    random = Random(seed)  # noqa: S311 - a test's dice
    hours = [random.uniform(0, 60 * 24) for _ in range(3)]
    return [*(at(0, hour) for hour in hours), at(random.randrange(20, 40)), at(30, 12)]


@pytest.mark.parametrize("seed", SEEDS)
def test_history_cut_at_a_moment_gives_the_rows_known_by_then(
    connection: Backend, seed: int
) -> None:
    history = load(connection, random_tables(seed, workflow_count=60))
    everything = _all_views(connection, history)
    for moment in _moments(seed):
        cut = _all_views(connection, before(history, moment))
        for view, rows in everything.items():
            known = [row for row in rows if row[CREATED_TIMESTAMP] < moment]
            got = [row for row in cut[view] if row[CREATED_TIMESTAMP] < moment]
            assert got == known, f"{view} at {moment}"


@pytest.mark.parametrize("seed", SEEDS)
def test_keys_are_unique_and_random_histories_are_hard(connection: Backend, seed: int) -> None:
    tables = random_tables(seed, workflow_count=60)
    history = load(connection, tables)
    for view, rows in _all_views(connection, history).items():
        keys = [tuple(row[name] for name in VIEWS[view].key) for row in rows]
        assert len(keys) == len(set(keys)), view
        assert len(rows) > 30, view
    assert _late_count(tables[HistoryTable.TASK_EVENTS]) > 20


@pytest.mark.parametrize("seed", SEEDS)
def test_latest_known_progress_is_that_of_all_known_events(connection: Backend, seed: int) -> None:
    """Against the plainest oracle: sort what is known, look at the end."""
    tables = random_tables(seed, workflow_count=60)
    rows = _all_views(connection, load(connection, tables))[FeatureView.WORKFLOW_PROGRESS]
    for moment in _moments(seed):
        latest: dict[str, Row] = {}
        for row in rows:  # by workflow, event timestamp, created timestamp
            if row[CREATED_TIMESTAMP] < moment:
                latest[row["workflow_id"]] = row
        expected: dict[str, list[Row]] = {}
        events = tables[HistoryTable.TASK_EVENTS].to_pylist()
        for event in sorted(events, key=lambda e: (e["occurred_at"], e["sequence"])):
            if event["recorded_at"] < moment:
                expected.setdefault(event["workflow_id"], []).append(event)
        assert latest.keys() == expected.keys()
        for name, known in expected.items():
            assert latest[name] == latest[name] | _progress(known), f"{name} at {moment}"


def _progress(known: list[Row]) -> Row:
    people = [e["person_id"] for e in known if e["person_id"] is not None]
    last_transition = {e["task_id"]: e["transition"] for e in known}
    completed: set[str] = set()
    rework_count = 0
    for event in known:
        rework_count += event["activity"] in completed
        if event["transition"] == "completed":
            completed.add(event["activity"])
    activities = [None, None, None, *(e["activity"] for e in known)]
    return {
        EVENT_TIMESTAMP: known[-1]["occurred_at"],
        "event_count": len(known),
        "last_activity": activities[-1],
        "previous_activity_1": activities[-2],
        "previous_activity_2": activities[-3],
        "previous_activity_3": activities[-4],
        "last_transition": known[-1]["transition"],
        "last_person_id": people[-1] if people else None,
        "distinct_activity_count": len({e["activity"] for e in known}),
        "handover_count": sum(a != b for a, b in pairwise(people)),
        "rework_count": rework_count,
        "open_task_count": sum(
            t not in {"completed", "cancelled"} for t in last_transition.values()
        ),
    }


def _late_count(events: pa.Table) -> int:
    return sum(
        row["recorded_at"] - row["occurred_at"] > timedelta(hours=5) for row in events.to_pylist()
    )
