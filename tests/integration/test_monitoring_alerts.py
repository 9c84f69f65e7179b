from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import IntegrityError

from pipelines.contracts import RiskKind, Severity
from pipelines.monitoring.alerts import (
    Alert,
    AlertChanges,
    acknowledge_alert,
    read_open_alerts,
    settle_alerts,
)
from pipelines.source.platform_tables import alerts

pytestmark = pytest.mark.integration

AS_OF = datetime(2016, 4, 1, tzinfo=UTC)
TASK, PERSON = RiskKind.LATE_TASK, RiskKind.OVERLOADED_PERSON


def alert(subject: str, score: float = 0.6, **changes: Any) -> Alert:
    severity = Severity.CRITICAL if score >= 0.75 else Severity.WARNING
    values = {"kind": TASK, "severity": severity, "message": f"{subject} {score}", "as_of": AS_OF}
    return Alert(subject=subject, score=score, **values | changes)


def stored(database: Engine) -> list[dict[str, Any]]:
    query = select(alerts).order_by(alerts.c.raised_at, alerts.c.subject)
    with database.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


@pytest.fixture
def opened(database: Engine) -> dict[str, UUID]:
    assert settle_alerts(database, TASK, [alert("a"), alert("b")]) == AlertChanges(2, 0, 0)
    return {row["subject"]: row["alert_id"] for row in stored(database)}


def test_open_alerts_are_updated_in_place(database: Engine, opened: dict[str, UUID]) -> None:
    before = {row["subject"]: row for row in stored(database)}
    later = AS_OF + timedelta(days=1)
    changes = settle_alerts(database, TASK, [alert("a", 0.9, as_of=later), alert("b")])

    assert changes == AlertChanges(raised_count=0, updated_count=2, closed_count=0)
    rows = {row["subject"]: row for row in stored(database)}
    assert {subject: row["alert_id"] for subject, row in rows.items()} == opened
    of_a = {k: rows["a"][k] for k in ("severity", "score", "message", "as_of", "raised_at")}
    assert of_a == {
        "severity": "critical",
        "score": 0.9,
        "message": "a 0.9",
        "as_of": later,
        "raised_at": before["a"]["raised_at"],
    }
    assert rows["a"]["updated_at"] > before["a"]["updated_at"]
    assert rows["b"] == before["b"] | {"updated_at": rows["b"]["updated_at"]}


def test_what_no_longer_holds_is_closed_and_its_return_is_new(
    database: Engine, opened: dict[str, UUID]
) -> None:
    assert settle_alerts(database, TASK, [alert("b")]) == AlertChanges(0, 1, 1)
    assert [a.subject for a in read_open_alerts(database, 10)] == ["b"]
    assert settle_alerts(database, TASK, [alert("a"), alert("b")]) == AlertChanges(1, 1, 0)

    of_a = [row for row in stored(database) if row["subject"] == "a"]
    assert [row["closed_at"] is None for row in of_a] == [False, True]
    assert of_a[0]["alert_id"] == opened["a"] != of_a[1]["alert_id"]
    assert settle_alerts(database, TASK, []) == AlertChanges(0, 0, 2)
    assert read_open_alerts(database, 10) == []


def test_whoever_takes_an_alert_up_first_stays(database: Engine, opened: dict[str, UUID]) -> None:
    first = acknowledge_alert(database, opened["a"], "ann")
    assert first is not None
    assert first.acknowledged_by == "ann"
    assert first.acknowledged_at is not None
    assert first.acknowledged_at >= first.raised_at
    assert acknowledge_alert(database, opened["a"], "bob") == first

    settle_alerts(database, TASK, [alert("a", 0.9), alert("b")])
    taken = {one.subject: one.acknowledged_by for one in read_open_alerts(database, 10)}
    assert taken == {"a": "ann", "b": None}


def test_of_those_who_take_it_up_at_once_one_is_first(
    database: Engine, opened: dict[str, UUID]
) -> None:
    with ThreadPoolExecutor(8) as pool:
        said = list(
            pool.map(lambda n: acknowledge_alert(database, opened["a"], f"p{n}"), range(40))
        )
    taken = read_open_alerts(database, 1)[0]
    assert taken.acknowledged_by is not None
    assert said == [taken] * 40


def test_what_is_not_open_cannot_be_taken_up(database: Engine, opened: dict[str, UUID]) -> None:
    settle_alerts(database, TASK, [alert("b")])
    assert acknowledge_alert(database, opened["a"], "ann") is None
    assert acknowledge_alert(database, UUID(int=0), "ann") is None
    assert [row["acknowledged_by"] for row in stored(database)] == [None, None]


def test_kinds_leave_each_other_alone(database: Engine, opened: dict[str, UUID]) -> None:
    assert settle_alerts(database, PERSON, [alert("a", kind=PERSON)]) == AlertChanges(1, 0, 0)
    assert settle_alerts(database, PERSON, []) == AlertChanges(0, 0, 1)
    assert {a.alert_id for a in read_open_alerts(database, 10)} == set(opened.values())


def test_the_table_itself_refuses_a_second_open_alert(
    database: Engine, opened: dict[str, UUID]
) -> None:
    again = {"kind": TASK.value, "subject": "a", "severity": "info", "message": "again"}
    with pytest.raises(IntegrityError, match="ix_alerts_kind_subject"), database.begin() as conn:
        conn.execute(alerts.insert().values(again))


def test_runs_that_meet_raise_an_alert_once(database: Engine) -> None:
    found = [alert(f"t{number}") for number in range(50)]
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: settle_alerts(database, TASK, found), range(4)))

    assert sorted(run.raised_count for run in runs) == [0, 0, 0, 50]
    assert len(stored(database)) == 50


def test_a_failing_run_changes_nothing(database: Engine, opened: dict[str, UUID]) -> None:
    before = stored(database)
    with pytest.raises(IntegrityError, match="score_is_ratio"):
        settle_alerts(database, TASK, [alert("c"), alert("d", 1.5)])
    assert stored(database) == before


def test_acknowledged_alerts_stay_so(database: Engine, opened: dict[str, UUID]) -> None:
    with database.begin() as connection:
        connection.execute(
            alerts.update()
            .where(alerts.c.subject == "a")
            .values(acknowledged_at=func.clock_timestamp(), acknowledged_by="ann")
        )
    settle_alerts(database, TASK, [alert("a", 0.7), alert("b")])
    (of_a,) = [a for a in read_open_alerts(database, 10) if a.subject == "a"]
    assert (of_a.acknowledged_by, of_a.score) == ("ann", 0.7)


def test_the_most_severe_come_first_then_the_newest_then_the_greatest(database: Engine) -> None:
    settle_alerts(database, TASK, [alert("old", 0.99), alert("mild", 0.7)])
    info = alert("info", 0.2, kind=PERSON, severity=Severity.INFO)
    settle_alerts(
        database,
        PERSON,
        [alert("new", 0.8, kind=PERSON), info, alert("newer", 0.9, kind=PERSON)],
    )
    read = read_open_alerts(database, 10)
    assert [a.subject for a in read] == ["newer", "new", "old", "mild", "info"]
    assert read_open_alerts(database, 2) == read[:2]
    assert (read[0].severity, read[0].kind) == (Severity.CRITICAL, "overloaded_person")


def test_older_alerts_without_a_score_are_last(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(
            text("INSERT INTO workcast.alerts (kind, severity, subject, message) VALUES "
                 "('drift', 'warning', 'remaining_time', 'drifted')")
        )  # fmt: skip
    (read,) = read_open_alerts(database, 10)
    assert (read.kind, read.score, read.as_of) == ("drift", None, None)
