from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from pipelines.contracts import Role
from pipelines.monitoring.feedback import Verdict
from tests.serving.conftest import World
from tests.serving.test_app import problem

GIVEN = {"prediction_id": str(uuid4()), "verdict": "accepted", "by": "ann"}


def test_feedback_is_taken_and_written_behind_the_request(world: World) -> None:
    sent = {
        "feedback_id": str(uuid4()),
        "prediction_id": str(uuid4()),
        "verdict": "overridden",
        "by": " ann ",
        "chosen": "bob",
        "reason": "ann is on leave\n",
    }
    before = datetime.now(UTC)
    response = world.client.post("/feedback", json=sent)

    assert response.status_code == 202
    assert response.json() == {k: sent[k] for k in ("feedback_id", "prediction_id")}
    (row,) = world.feedback.rows
    assert before <= row.given_at <= datetime.now(UTC)
    assert {k: v for k, v in row.row().items() if k != "given_at"} == {
        "feedback_id": UUID(sent["feedback_id"]),
        "prediction_id": UUID(sent["prediction_id"]),
        "kind": Verdict.OVERRIDDEN,
        "content": {"chosen": "bob", "reason": "ann is on leave\n"},
        "given_by": "ann",
    }


def test_each_without_an_id_gets_its_own(world: World) -> None:
    ids = [world.client.post("/feedback", json=GIVEN).json()["feedback_id"] for _ in range(2)]

    assert len(set(ids)) == 2
    assert [str(row.feedback_id) for row in world.feedback.rows] == ids
    assert world.feedback.rows[0].content == {}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"prediction_id": "W1"}, "prediction_id"),
        ({"prediction_id": 17}, "prediction_id"),
        ({"prediction_id": None}, "prediction_id"),
        ({"feedback_id": "again"}, "feedback_id"),
        ({"verdict": "ignored"}, "verdict"),
        ({"verdict": 1}, "verdict"),
        ({"by": ""}, "by"),
        ({"by": "  "}, "by"),
        ({"by": "x" * 201}, "by"),
        ({"by": "a\x00"}, "by"),
        ({"by": None}, "by"),
        ({"verdict": "overridden"}, "chosen"),
        ({"verdict": "overridden", "chosen": None}, "chosen"),
        ({"verdict": "overridden", "chosen": "x" * 201}, "chosen"),
        ({"verdict": "overridden", "chosen": 3}, "chosen"),
        ({"chosen": "bob"}, "chosen"),
        ({"verdict": "rejected", "chosen": "bob"}, "chosen"),
        ({"reason": "x" * 2_001}, "reason"),
        ({"reason": "a\x00b"}, "reason"),
        ({"rating": 5}, "rating"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_kept(
    world: World, change: dict[str, Any], field: str
) -> None:
    content = problem(world.client.post("/feedback", json=GIVEN | change), 422)

    assert content["type"] == "urn:problem-type:workcast:invalid-request"
    assert [error["field"] for error in content["errors"]] == [field]
    assert world.feedback.rows == []


@pytest.mark.parametrize("missing", ["prediction_id", "verdict", "by"])
def test_what_is_needed_is_named(world: World, missing: str) -> None:
    body = {name: value for name, value in GIVEN.items() if name != missing}

    content = problem(world.client.post("/feedback", json=body), 422)
    assert [error["field"] for error in content["errors"]] == [missing]


def test_longest_texts_are_taken(world: World) -> None:
    long = {"by": "x" * 200, "verdict": "overridden", "chosen": "y" * 200, "reason": "z" * 2_000}

    assert world.client.post("/feedback", json=GIVEN | long).status_code == 202


def test_only_who_may_give_feedback(world: World) -> None:
    for roles, status in (([Role.PREDICT, Role.ADMIN], 403), ([Role.FEEDBACK], 202)):
        response = world.client.post("/feedback", json=GIVEN, headers=world.headers(*roles))
        assert response.status_code == status


def test_the_pages_example_works_when_pasted(world: World) -> None:
    page = world.client.get("/openapi.json").json()
    operation = page["paths"]["/feedback"]["post"]
    (example,) = page["components"]["schemas"]["GivenFeedback"]["examples"]

    assert set(operation["responses"]) == {"202", "401", "403", "413", "422", "429", "504"}
    assert operation["security"] == [{"token": ["feedback"]}]
    assert world.client.post("/feedback", json=example).status_code == 202
