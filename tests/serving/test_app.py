from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from pipelines.contracts import Model
from pipelines.features.request_time import add_request_time
from pipelines.learning.predictor import Predictor
from tests.serving.conftest import World
from tests.serving.doubles import Copy, Rows
from tests.serving.made_rows import AS_OF, feature_row, frame_of

ENDPOINTS = ["/predict_duration", "/assess_risk"]


def problem(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    content: dict[str, Any] = response.json()
    assert content["status"] == status
    assert content["title"]
    return content


def test_duration_is_the_models(world: World, predictors: dict[Model, Predictor]) -> None:
    answer = world.client.post("/predict_duration", json={"workflow_id": "WF-1"}).json()

    row = add_request_time(frame_of([feature_row("WF-1")]))
    expected = predictors[Model.REMAINING_TIME].predict(row).iloc[0]
    for name, value in expected.items():
        assert answer[name] == value
    moment = datetime.fromisoformat(answer["expected_closed_at"])
    assert moment == pytest.approx(AS_OF + timedelta(seconds=answer["remaining_time_s"]),
                                   abs=timedelta(milliseconds=1))  # fmt: skip
    assert answer["model"] == {"name": "remaining_time", "version": "1", "alias": "champion"}
    assert datetime.fromisoformat(answer["as_of"]) == AS_OF
    assert datetime.fromisoformat(answer["features_known_at"]) == AS_OF - timedelta(hours=2)
    assert (answer["is_degraded"], answer["degraded_because"]) == (False, [])
    assert answer["workflow_id"] == "WF-1"
    UUID(answer["prediction_id"])


def test_risk_is_the_models_with_its_reasons(
    world: World, predictors: dict[Model, Predictor]
) -> None:
    answer = world.client.post("/assess_risk", json={"workflow_id": "WF-2"}).json()

    changes = {"workflow_progress__rework_count": 5, "workflow_progress__due_at": None}
    row = add_request_time(frame_of([feature_row("WF-2", **changes)]))
    model = predictors[Model.DELAY_RISK]
    assert answer["late_probability"] == model.predict(row)["late_probability"].iloc[0]
    shares = model.contributions(row).iloc[0]
    strongest = answer["reasons"][0]
    assert strongest["feature"] == "workflow_progress__rework_count"
    assert (strongest["value"], strongest["effect"]) == (5, "raises")
    assert strongest["contribution"] == pytest.approx(shares[strongest["feature"]], abs=1e-6)
    assert answer["due_at"] is None
    other = world.client.post("/assess_risk", json={"workflow_id": "WF-1"}).json()
    assert datetime.fromisoformat(other["due_at"]) == AS_OF + timedelta(days=1)
    assert other["reasons"][0]["effect"] == "lowers"
    assert "expected_value" not in {r["feature"] for r in other["reasons"]}


@pytest.mark.parametrize(("endpoint", "figure"), [
    ("/predict_duration", "remaining_time_s"), ("/assess_risk", "late_probability")
])  # fmt: skip
def test_batch_answers_each_as_alone(world: World, endpoint: str, figure: str) -> None:
    ids = ["WF-2", "nobody", "WF-1", "closed", "WF-2", "old"]
    content = world.client.post(endpoint, json={"workflow_ids": ids}).json()

    assert [a["workflow_id"] for a in content["answers"]] == ["WF-2", "WF-1", "WF-2"]
    assert [(p["workflow_id"], p["problem"]["status"]) for p in content["problems"]] == [
        ("nobody", 404),
        ("closed", 422),
        ("old", 422),
    ]
    alone = world.client.post(endpoint, json={"workflow_id": "WF-1"}).json()
    assert content["answers"][1][figure] == pytest.approx(alone[figure], rel=1e-12)
    assert len({a["prediction_id"] for a in content["answers"]}) == 3


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("workflow_id", "status", "kind", "words"),
    [
        ("nobody", 404, "unknown-workflow", "'nobody' is unknown"),
        ("closed", 422, "closed-workflow", "closed since 2016-03-31T12:00:00+00:00"),
        ("old", 422, "expired-features", "no event young enough"),
    ],
)
def test_what_it_does_not_know(  # noqa: PLR0917
    world: World, endpoint: str, workflow_id: str, status: int, kind: str, words: str
) -> None:
    response = world.client.post(endpoint, json={"workflow_id": workflow_id})

    content = problem(response, status)
    assert content["type"] == f"urn:problem-type:workcast:{kind}"
    assert words in content["detail"]
    assert content["workflow_id"] == workflow_id
    assert world.log.rows == []


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"workflow_id": 17}', "workflow_id"),
        (b'{"workflow_id": null}', "workflow_id"),
        (b'{"workflow_id": ""}', "workflow_id"),
        (b'{"workflow_id": "%s"}' % (b"x" * 201), "workflow_id"),
        (b'{"workflow_id": "\\ud800"}', "workflow_id"),
        (b'{"workflow_id": "\\u0000"}', "workflow_id"),
        (b'{"workflow_id": "a", "one": 1}', "one"),
        (b'{"workflow_ids": ["a"], "body": 1}', "body"),
        (b'{"workflow_id": "a", "as_of": "2016-01-01"}', "as_of"),
        (b'{"workflow_id": "a", "workflow_ids": ["a"]}', "workflow_id"),
        (b'{"workflow": "a"}', "workflow_id"),
        (b"{}", "workflow_id"),
        (b'{"workflow_ids": []}', "workflow_ids"),
        (b'{"workflow_ids": "a"}', "workflow_ids"),
        (b'{"workflow_ids": {"a": 1}}', "workflow_ids"),
        (b'{"workflow_ids": ["a", 1, ""]}', "workflow_ids.1"),
        (b'{"workflow_ids": [%s"a"]}' % (b'"a",' * 1_000), "workflow_ids"),
        (b"[]", "body"),
        (b'"WF-1"', "body"),
        (b"null", "body"),
        (b"", "body"),
        (b"{", "body"),
        (b'{"workflow_id": "\xff"}', "body"),
        (b"NaN", "body"),
        (b"[" * 100_000, "body"),
    ],
)
def test_malformed_requests_name_the_field(
    world: World, endpoint: str, body: bytes, field: str
) -> None:
    response = world.client.post(
        endpoint, content=body, headers={"content-type": "application/json"}
    )

    content = problem(response, 422)
    assert content["type"] == "urn:problem-type:workcast:invalid-request"
    assert content["errors"][0]["field"] == field
    assert field in content["detail"]
    assert len(response.content) < 2_000


def test_body_of_another_kind_is_refused(world: World) -> None:
    form = world.client.post("/predict_duration", data={"workflow_id": "WF-1"})

    assert problem(form, 422)["errors"][0]["field"] == "body"


def test_odd_ids_are_only_unknown(world: World) -> None:
    for odd in ["\x01", "WF-1\n", " WF-1", "🙂", "%00", "../WF-1"]:
        content = problem(world.client.post("/assess_risk", json={"workflow_id": odd}), 404)
        assert content["workflow_id"] == odd


def test_no_champion_says_what_to_do(world: World) -> None:
    del world.registry.versions[Model.REMAINING_TIME]
    world.watch.look()

    response = world.client.post("/predict_duration", json={"workflow_id": "WF-1"})

    assert "promote_models" in problem(response, 503)["detail"]
    assert response.headers["retry-after"] == "5"
    assert world.client.post("/assess_risk", json={"workflow_id": "WF-1"}).status_code == 200
    assert world.client.get("/readyz").status_code == 503


def test_features_away(world: World) -> None:
    world.store.is_away = True

    for body in ({"workflow_id": "WF-1"}, {"workflow_ids": ["WF-1"]}):
        content = problem(world.client.post("/predict_duration", json=body), 503)
        assert "Valkey does not answer" in content["detail"]
    assert "Valkey does not answer" in str(world.client.get("/readyz").json()["missing"])


def test_store_that_is_away_is_not_asked_again_until_the_probe_finds_it(world: World) -> None:
    world.store.is_away = True
    world.client.post("/predict_duration", json={"workflow_id": "WF-1"})
    world.store.is_away = False
    world.store.read_count = 0

    refused = world.client.post("/predict_duration", json={"workflow_id": "WF-1"})
    assert (problem(refused, 503)["status"], world.store.read_count) == (503, 0)
    world.features.probe()
    answered = world.client.post("/predict_duration", json={"workflow_id": "WF-1"})
    assert answered.status_code == 200


@pytest.mark.parametrize("is_partial", [False, True])
def test_store_that_is_away_is_stood_in_for_by_the_lake(world: World, is_partial: bool) -> None:
    copy = Copy(Rows(list(world.store.rows.values())), is_partial=is_partial)
    world.features._fallback = copy
    world.store.is_away = True

    for _ in range(2):
        answer = world.client.post("/assess_risk", json={"workflow_id": "WF-1"}).json()
        (reason,) = answer["degraded_because"]
        assert reason.startswith("the online store has no answer: features from the lake")
        assert reason.endswith("as known at 2016-04-01T11:00:00+00:00")
        assert answer["is_degraded"]
        assert answer["as_of"] == "2016-04-01T11:00:00Z"
    assert [row.is_degraded for row in world.log.rows] == [True, True]
    unknown = world.client.post("/assess_risk", json={"workflow_id": "nobody"})
    assert unknown.status_code == (503 if is_partial else 404)
    ready = world.client.get("/readyz")
    assert ready.status_code == 200
    (degraded,) = ready.json()["degraded"]
    assert degraded.startswith("features come from the lake: Valkey does not answer")
    copy.is_there = False
    assert world.client.get("/readyz").status_code == 503


def test_no_clock_yet(world: World) -> None:
    world.clock.as_of = None

    content = problem(world.client.post("/assess_risk", json={"workflow_id": "WF-1"}), 503)
    assert content["type"].endswith("features-away")
    assert world.client.get("/readyz").status_code == 503


def test_stale_clock_is_said(world: World) -> None:
    world.clock.is_stale = True

    answer = world.client.post("/predict_duration", json={"workflow_id": "WF-1"}).json()

    assert answer["is_degraded"]
    assert answer["degraded_because"] == ["the clock of the features could not be read lately"]
    ready = world.client.get("/readyz")
    assert (ready.status_code, ready.json()["degraded"]) == (
        200,
        ["the clock of the features is not up to date: no database"],
    )


def test_never_speaks_of_a_time_before_its_features(world: World) -> None:
    answer = world.client.post("/predict_duration", json={"workflow_id": "young"}).json()

    assert answer["as_of"] == answer["features_known_at"]
    assert datetime.fromisoformat(answer["as_of"]) == AS_OF + timedelta(minutes=5)


def test_every_answer_is_logged_with_what_it_rests_on(world: World) -> None:
    one = world.client.post("/predict_duration", json={"workflow_id": "WF-1"}).json()
    many = world.client.post("/assess_risk", json={"workflow_ids": ["WF-1", "no", "WF-2"]}).json()

    sent = [one, *many["answers"]]
    assert [str(p.prediction_id) for p in world.log.rows] == [a["prediction_id"] for a in sent]
    first, _, last = world.log.rows
    assert (first.model_name, first.model_version, first.model_alias) == (
        "remaining_time",
        "1",
        "champion",
    )
    assert first.output["remaining_time_s"] == one["remaining_time_s"]
    assert first.features["workflow_progress__rework_count"] == 1
    assert first.features["elapsed_now_s"] == 3 * 86_400
    assert first.inputs == {"workflow_id": "WF-1", "workflow_count": 1}
    assert last.output["late_probability"] == many["answers"][1]["late_probability"]
    assert last.latency_ms > 0
    assert first.row()["features"]["workflow_progress__workflow_attributes"] == '{"amount": 100}'


def test_models_and_readiness(world: World) -> None:
    states = world.client.get("/models").json()["models"]
    none = "no version carries the alias champion"
    assert [(s["name"], s["version"], s["alias"], s["message"]) for s in states] == [
        ("remaining_time", "1", "champion", None),
        ("delay_risk", "1", "champion", None),
        ("task_duration", None, "champion", none),
        ("assignee", None, "champion", none),
        ("template", None, "champion", none),
        ("next_activity", None, "champion", none),
    ]
    ready = world.client.get("/readyz").json()
    assert ready["is_ready"]
    assert ready["missing"] == ready["degraded"] == []


def test_readiness_tells_that_nobody_can_be_recommended_yet(
    world: World, predictors: dict[Model, Predictor], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.registry.predictors = {**predictors, Model.ASSIGNEE: predictors[Model.DELAY_RISK]}
    world.registry.versions[Model.ASSIGNEE] = "1"
    world.watch.look()
    ready = world.client.get("/readyz")
    (degraded,) = ready.json()["degraded"]
    assert (ready.status_code, degraded.split(":")[0]) == (200, "nobody can be recommended yet")
    monkeypatch.setattr(type(world.app.state.runtime.staff), "as_of", AS_OF)
    assert world.client.get("/readyz").json()["degraded"] == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/predict_duration", 405), ("POST", "/nowhere", 404), ("DELETE", "/models", 405)],
)
def test_wrong_ways_in_are_problems_too(world: World, method: str, path: str, status: int) -> None:
    assert path in problem(world.client.request(method, path), status)["detail"]


def test_unexpected_fault_tells_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.store, "read", lambda *_: 1 / 0)

    content = problem(world.client.post("/assess_risk", json={"workflow_id": "WF-1"}), 500)
    assert "division" not in str(content)


def test_openapi_page(world: World) -> None:
    assert world.client.get("/", follow_redirects=False).headers["location"] == "/docs"
    page = world.client.get("/docs").text
    assert "/static_content/swagger-ui-bundle.js" in page
    assert "http://" not in page
    assert "https://" not in page
    spec = world.client.get("/openapi.json").json()
    for endpoint in ENDPOINTS:
        operation = spec["paths"][endpoint]["post"]
        refused = {"401", "403", "404", "413", "422", "429", "503", "504"}
        assert set(operation["responses"]) == {"200", *refused}
        for status in refused:
            content = operation["responses"][status]["content"]
            assert set(content) == {"application/problem+json"}
    text = str(spec)
    assert "HTTPValidationError" not in text
    for name in set(np.unique([r.split("'")[0] for r in text.split("#/components/schemas/")[1:]])):
        assert name in spec["components"]["schemas"]


def test_examples_work_when_pasted(world: World) -> None:
    schemas = world.client.get("/openapi.json").json()["components"]["schemas"]
    for name in ("OneWorkflow", "ManyWorkflows"):
        for example in schemas[name]["examples"]:
            for key in ("workflow_id", "workflow_ids"):
                for wanted in np.atleast_1d(example.get(key, [])):
                    world.store.rows[str(wanted)] = feature_row(str(wanted))
            for endpoint in ENDPOINTS:
                assert world.client.post(endpoint, json=example).status_code == 200
