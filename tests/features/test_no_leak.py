"""No row of any view depends on anything recorded after its created_timestamp."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from statistics import fmean

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
Views = Mapping[FeatureView, list[Row]]


@dataclass(frozen=True)
class Whole:
    """A random history and everything computed from it."""

    seed: int
    tables: dict[HistoryTable, pa.Table]
    history: History
    connection: Backend
    views: Views


@pytest.fixture(scope="module", params=SEEDS)
def whole(request: pytest.FixtureRequest) -> Iterator[Whole]:
    connection = ibis.duckdb.connect(threads=1)
    tables = random_tables(request.param, workflow_count=60)
    history = load(connection, tables)
    yield Whole(request.param, tables, history, connection, _all_views(connection, history))
    connection.disconnect()


def _all_views(connection: Backend, history: History) -> Views:
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


def test_history_cut_at_a_moment_gives_the_rows_known_by_then(whole: Whole) -> None:
    for moment in _moments(whole.seed):
        cut = _all_views(whole.connection, before(whole.history, moment))
        for view, rows in whole.views.items():
            known = [row for row in rows if row[CREATED_TIMESTAMP] < moment]
            got = [row for row in cut[view] if row[CREATED_TIMESTAMP] < moment]
            assert got == known, f"{view} at {moment}"


def test_keys_are_unique_and_random_histories_are_hard(whole: Whole) -> None:
    for view, rows in whole.views.items():
        keys = [tuple(row[name] for name in VIEWS[view].key) for row in rows]
        assert len(keys) == len(set(keys)), view
        assert len(rows) > 30, view
    assert _late_count(whole.tables[HistoryTable.TASK_EVENTS]) > 20


def test_latest_known_progress_is_that_of_all_known_events(whole: Whole) -> None:
    """Against the plainest oracle: sort what is known, look at the end."""
    for moment in _moments(whole.seed):
        latest: dict[str, Row] = {}
        for row in whole.views[FeatureView.WORKFLOW_PROGRESS]:  # by workflow, event, created
            if row[CREATED_TIMESTAMP] < moment:
                latest[row["workflow_id"]] = row
        expected: dict[str, list[Row]] = {}
        events = whole.tables[HistoryTable.TASK_EVENTS].to_pylist()
        for event in sorted(events, key=lambda e: (e["occurred_at"], e["sequence"])):
            if event["recorded_at"] < moment:
                expected.setdefault(event["workflow_id"], []).append(event)
        assert latest.keys() == expected.keys()
        for name, known in expected.items():
            assert latest[name] == latest[name] | _progress(known), f"{name} at {moment}"


def test_open_work_at_the_end_of_a_day_is_that_of_all_known_by_then(whole: Whole) -> None:
    """Against the plainest oracle, workflow by workflow."""
    rows = whole.views[FeatureView.ACTIVITY_STATS]
    assert any(row["remaining_time_s_mean_30d"] is not None for row in rows)
    for row in rows:
        expected = _open_work(whole.tables, row["activity"], row[EVENT_TIMESTAMP])
        assert row == row | expected, f"{row['activity']} at {row[EVENT_TIMESTAMP]}"


def _open_work(tables: Mapping[HistoryTable, pa.Table], activity: str, end: datetime) -> Row:
    events, openings, closures = (tables[name].to_pylist() for name in HistoryTable)
    events.sort(key=lambda e: (e["occurred_at"], e["sequence"]))
    first: dict[str, Row] = {}
    for row in sorted(closures, key=lambda c: (c["recorded_at"], c["closed_at"])):
        first.setdefault(row["workflow_id"], row)
    closed = {name: row for name, row in first.items() if _known(row, "closed_at") <= end}
    states = {
        e["workflow_id"]: e["activity"]
        for e in events
        if _known(e, "occurred_at") <= end and e["workflow_id"] not in closed
    }
    remaining: dict[tuple[str, str], float] = {}
    for e in events:
        row = closed.get(e["workflow_id"])
        if row and e["recorded_at"] <= row["recorded_at"] and e["occurred_at"] <= row["closed_at"]:
            seconds = (row["closed_at"] - e["occurred_at"]).total_seconds()
            remaining[e["workflow_id"], e["activity"]] = seconds
    lately = [
        seconds
        for (name, a), seconds in remaining.items()
        if a == activity and _is_within(closed[name]["closed_at"], end, 30)
    ]
    return {
        "state_workflow_count": sum(state == activity for state in states.values()),
        "open_workflow_count": len(states),
        "opened_workflow_count_7d": sum(
            _known(row, "opened_at") <= end and _is_within(row["opened_at"], end, 7)
            for row in openings
        ),
        "closed_workflow_count_7d": sum(
            _is_within(closed[name]["closed_at"], end, 7) for name in {n for n, _ in remaining}
        ),
        "remaining_time_s_mean_30d": pytest.approx(fmean(lately)) if lately else None,
    }


def _known(row: Row, happened_at: str) -> datetime:
    moment: datetime = max(row[happened_at], row["recorded_at"])
    return moment


def _is_within(moment: datetime, end: datetime, days: int) -> bool:
    return moment > end - timedelta(days=days)


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
    begun = next(e["occurred_at"] for e in known if e["task_id"] == known[-1]["task_id"])
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
        "activity_counts": json.dumps(dict(sorted(Counter(activities[3:]).items()))),
        "task_age_s": (known[-1]["occurred_at"] - begun).total_seconds(),
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
