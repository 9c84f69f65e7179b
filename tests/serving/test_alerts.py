from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from pipelines.contracts import Role
from serving.alerts import Alert, Snapshot
from serving.problems import HistoryAwayError
from tests.serving.conftest import World
from tests.serving.test_app import problem

READ_AT = datetime(2016, 4, 1, tzinfo=UTC)


def alert(subject: str, kind: str, severity: str) -> Alert:
    return Alert.model_validate(
        {
            "alert_id": uuid4(),
            "kind": kind,
            "subject": subject,
            "severity": severity,
            "score": 0.5,
            "message": f"{subject} needs attention",
            "as_of": READ_AT,
            "raised_at": READ_AT,
            "updated_at": READ_AT + timedelta(days=1),
            "acknowledged_at": None,
            "acknowledged_by": None,
        }
    )


ALERTS = [
    alert("W1", "late_workflow", "critical"),
    alert("ann", "overloaded_person", "critical"),
    alert("T1", "late_task", "warning"),
    alert("W2", "late_workflow", "warning"),
    alert("W3", "late_workflow", "info"),
]


@pytest.fixture
def shown(world: World) -> World:
    world.alerts._snapshot = Snapshot(ALERTS, READ_AT)
    return world


@pytest.mark.parametrize(
    ("query", "subjects", "matching_count"),
    [
        ({}, ["W1", "ann", "T1", "W2", "W3"], 5),
        ({"kind": "late_workflow"}, ["W1", "W2", "W3"], 3),
        ({"kind": "bottleneck_activity"}, [], 0),
        ({"subject": "ann"}, ["ann"], 1),
        ({"subject": "an"}, [], 0),
        ({"min_severity": "critical"}, ["W1", "ann"], 2),
        ({"min_severity": "warning"}, ["W1", "ann", "T1", "W2"], 4),
        ({"limit": 2}, ["W1", "ann"], 5),
        ({"kind": "late_workflow", "min_severity": "warning", "limit": 1}, ["W1"], 2),
    ],
)
def test_filters(
    shown: World, query: dict[str, Any], subjects: list[str], matching_count: int
) -> None:
    content = shown.client.get("/alerts", params=query).json()

    assert [a["subject"] for a in content["alerts"]] == subjects
    assert content["matching_count"] == matching_count
    assert (content["is_stale"], content["read_at"]) == (False, "2016-04-01T00:00:00Z")


def test_an_alert_is_shown_whole(shown: World) -> None:
    (content,) = shown.client.get("/alerts", params={"subject": "T1"}).json()["alerts"]

    assert content == ALERTS[2].model_dump(mode="json")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"kind": "drift"}, "kind"),
        ({"min_severity": "high"}, "min_severity"),
        ({"limit": 0}, "limit"),
        ({"limit": 1_001}, "limit"),
        ({"limit": "all"}, "limit"),
        ({"subject": ""}, "subject"),
        ({"severity": "critical"}, "severity"),
    ],
)
def test_a_filter_that_is_none_is_named(shown: World, query: dict[str, Any], field: str) -> None:
    content = problem(shown.client.get("/alerts", params=query), 422)

    assert [error["field"] for error in content["errors"]] == [field]


def test_without_the_database_the_last_snapshot_stays_as_a_stale_one(shown: World) -> None:
    shown.alerts.look()  # of a database that is nowhere

    content = shown.client.get("/alerts").json()
    assert content["is_stale"]
    assert [a["subject"] for a in content["alerts"]] == ["W1", "ann", "T1", "W2", "W3"]
    assert content["read_at"] == "2016-04-01T00:00:00Z"


def test_before_the_first_reading_it_says_so(world: World) -> None:
    world.alerts.look()

    response = world.client.get("/alerts")
    assert problem(response, 503)["type"] == "urn:problem-type:workcast:alerts-away"
    assert response.headers["retry-after"] == "5"


def test_only_who_may_read(shown: World) -> None:
    for roles, status in (([Role.FEEDBACK], 403), ([Role.PREDICT], 200), ([Role.ADMIN], 200)):
        response = shown.client.get("/alerts", headers=shown.headers(*roles))
        assert response.status_code == status


def test_page_explains_the_filters(world: World) -> None:
    operation = world.client.get("/openapi.json").json()["paths"]["/alerts"]["get"]

    assert [p["name"] for p in operation["parameters"]] == [
        "kind", "subject", "min_severity", "limit"
    ]  # fmt: skip
    assert set(operation["responses"]) >= {"200", "401", "403", "422", "429", "503"}


def test_a_database_that_is_away_takes_no_acknowledgement(shown: World) -> None:
    body = {"alert_id": str(ALERTS[0].alert_id), "by": "ann"}
    content = problem(shown.client.post("/acknowledge_alert", json=body), 503)
    assert "nothing has been noted" in content["detail"]
    assert shown.client.get("/alerts").json()["alerts"][0]["acknowledged_by"] is None


def test_nobody_waits_for_a_database_that_is_known_to_be_away(
    shown: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("serving.acknowledge.acknowledge_alert", lambda *of: asked.append(of))
    body = {"alert_id": str(ALERTS[0].alert_id), "by": "ann"}
    assert shown.client.post("/acknowledge_alert", json=body).status_code == 404
    with pytest.raises(HistoryAwayError):
        shown.app.state.runtime.source.rows(select(1), {})
    assert shown.client.post("/acknowledge_alert", json=body).status_code == 503
    assert len(asked) == 1


def test_what_was_taken_up_shows_at_once(shown: World, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = ALERTS[1].model_copy(update={"acknowledged_by": "bob", "acknowledged_at": READ_AT})
    monkeypatch.setattr("serving.acknowledge.acknowledge_alert", lambda *_: taken)
    body = {"alert_id": str(taken.alert_id), "by": " bob "}
    assert shown.client.post("/acknowledge_alert", json=body).json() == taken.model_dump(
        mode="json"
    )
    alerts = shown.client.get("/alerts").json()["alerts"]
    assert [one["acknowledged_by"] for one in alerts] == [None, "bob", None, None, None]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"alert_id": "no id", "by": "ann"}, "alert_id"),
        ({"alert_id": str(uuid4())}, "by"),
        ({"alert_id": str(uuid4()), "by": " "}, "by"),
        ({"alert_id": str(uuid4()), "by": "ann", "note": "x"}, "note"),
    ],
)
def test_a_malformed_acknowledgement_names_the_field(
    shown: World, body: dict[str, Any], field: str
) -> None:
    content = problem(shown.client.post("/acknowledge_alert", json=body), 422)
    assert [error["field"] for error in content["errors"]] == [field]


def test_only_who_may_give_feedback_takes_an_alert_up(shown: World) -> None:
    body = {"alert_id": str(uuid4()), "by": "ann"}
    for roles, status in (([Role.FEEDBACK], 503), ([Role.PREDICT, Role.ADMIN], 403)):
        headers = shown.headers(*roles)
        response = shown.client.post("/acknowledge_alert", json=body, headers=headers)
        assert response.status_code == status
