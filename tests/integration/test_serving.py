"""The Bento service as a process of its own, on real PostgreSQL, Valkey and MLflow."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import httpx
import mlflow
import pytest
from sqlalchemy import URL, Engine, func, select, text

from pipelines.contracts import WORKFLOW_MODELS, Model
from pipelines.source.platform_tables import predictions as predictions_table
from tests.integration.serving_stack import (
    WATERMARK,
    Stack,
    bring_up,
    build_features,
    running_stack,
    until,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

ENDPOINTS = {Model.REMAINING_TIME: "/predict_duration", Model.DELAY_RISK: "/assess_risk"}
FIGURES = {
    Model.REMAINING_TIME: ["remaining_time_s", "remaining_time_s_p10", "remaining_time_s_p90"],
    Model.DELAY_RISK: ["late_probability"],
}


@pytest.fixture(scope="module")
def new_stack(
    postgres_url: URL, postgres_admin: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Everything laid out, and the service started before anything it needs but a database."""
    folder = tmp_path_factory.mktemp("stack")
    with running_stack(folder, postgres_url, postgres_admin) as stack:
        stack.service.start()
        yield stack


@pytest.fixture(scope="module")
def stack(new_stack: Stack) -> Stack:
    """The service with features and champions: it has become ready by itself."""
    unready = until(lambda: new_stack.get("/readyz"))
    assert unready.status_code == 503
    assert len(unready.json()["missing"]) >= 3
    assert new_stack.get("/livez").status_code == 200
    refusal = new_stack.post("/predict_duration", {"workflow_id": "workflow 1"})
    assert (refusal.status_code, refusal.json()["type"]) == (
        503,
        "urn:problem-type:workcast:no-champion",
    )
    bring_up(new_stack)
    return new_stack


def champion(stack: Stack, model: Model) -> Any:
    mlflow.set_tracking_uri(stack.settings.mlflow)
    return mlflow.pyfunc.load_model(f"models:/{model.value}@champion")


def assert_equal_to_registry(stack: Stack, model: Model) -> int:
    """Compare every answer with the registered model on what training would see."""
    content = stack.post(ENDPOINTS[model], {"workflow_ids": stack.workflows}).json()
    rows = stack.offline_rows(model)
    # The registered signature has one type for numbers.
    reals = dict.fromkeys(rows.select_dtypes("number").columns, "float64")
    rows = rows.astype(reals)
    expected = champion(stack, model).predict(rows)
    assert content["answers"]
    for answer in content["answers"]:
        for name in FIGURES[model]:
            value = expected.loc[answer["workflow_id"], name]
            assert answer[name] == pytest.approx(value, rel=1e-9), (answer, name)
        alone = stack.post(ENDPOINTS[model], {"workflow_id": answer["workflow_id"]}).json() \
            if answer is content["answers"][0] else answer  # fmt: skip
        assert [alone[n] for n in FIGURES[model]] == pytest.approx(
            [answer[n] for n in FIGURES[model]]
        )
    return len(content["answers"])


@pytest.mark.parametrize("model", WORKFLOW_MODELS)
def test_answers_are_the_registered_models(stack: Stack, model: Model) -> None:
    assert assert_equal_to_registry(stack, model) > 20


def test_batch_says_of_each_workflow_what_is_wrong(stack: Stack) -> None:
    asked = [*stack.workflows, "nobody"]
    content = stack.post("/assess_risk", {"workflow_ids": asked}).json()

    answered = [a["workflow_id"] for a in content["answers"]]
    refused = {p["workflow_id"]: p["problem"] for p in content["problems"]}
    assert sorted([*answered, *refused]) == sorted(asked)
    kinds = {problem["type"].rpartition(":")[2] for problem in refused.values()}
    assert kinds == {"unknown-workflow", "closed-workflow", "expired-features"}
    for workflow_id, problem in list(refused.items())[:30]:
        alone = stack.post("/assess_risk", {"workflow_id": workflow_id})
        assert alone.status_code == problem["status"]
        assert alone.headers["content-type"] == "application/problem+json"
        assert alone.json() == problem


def test_clock_is_the_features_not_the_walls(stack: Stack) -> None:
    (answer,) = stack.post("/predict_duration", {"workflow_ids": stack.running()[:1]}).json()[
        "answers"
    ]

    assert datetime.fromisoformat(answer["as_of"]) == WATERMARK
    assert datetime.fromisoformat(answer["features_known_at"]) < WATERMARK


def test_malformed_requests_never_meet_bentoml(stack: Stack) -> None:
    for body in (b"", b"{", b"[1]", b'{"workflow_id": 1}', b'{"x": 1}'):
        response = httpx.post(
            f"{stack.url}/predict_duration",
            content=body,
            headers={"content-type": "application/json", **stack.headers},
        )
        assert response.status_code == 422, body
        assert response.headers["content-type"] == "application/problem+json"
    too_many = stack.post("/predict_duration", {"workflow_ids": ["x"] * 1_001})
    assert (too_many.status_code, too_many.json()["errors"][0]["field"]) == (422, "workflow_ids")
    assert stack.get("/nowhere").json()["status"] == 404
    assert stack.get("/predict_duration").json()["status"] == 405


def test_metrics_and_pages(stack: Stack) -> None:
    stack.running()
    text_of = until(
        lambda: "workcast_prediction_log_rows" in (t := stack.get("/metrics").text) and t
    )
    assert (
        'workcast_answers_total{is_degraded="false",model="delay_risk",variant="champion"'
        in text_of
    )
    assert "workcast_request_duration_seconds_bucket" in text_of
    assert (
        'workcast_model_swaps_total{alias="champion",model="delay_risk",result="taken"}' in text_of
    )
    assert stack.get("/docs").status_code == 200
    for asset in ("swagger-ui.css", "swagger-ui-bundle.js"):
        assert stack.get(f"/static_content/{asset}").status_code == 200
    assert "/assess_risk" in stack.get("/openapi.json").json()["paths"]


def logged(stack: Stack, since: datetime) -> list[Any]:
    with stack.database.connect() as connection:
        query = select(predictions_table).where(predictions_table.c.requested_at >= since)
        return list(connection.execute(query))


def database_now(stack: Stack) -> datetime:
    with stack.database.connect() as connection:
        return connection.execute(select(func.clock_timestamp())).scalar_one()


def test_log_holds_exactly_the_answers(stack: Stack) -> None:
    since = database_now(stack)
    ids = stack.running()[:20]
    since = database_now(stack)

    def ask(number: int) -> list[dict[str, Any]]:
        endpoint = list(ENDPOINTS.values())[number % 2]
        if number % 5 == 0:
            return stack.post(endpoint, {"workflow_ids": [*ids, "nobody"]}).json()["answers"]
        if number % 7 == 0:
            assert stack.post(endpoint, {"workflow_id": "nobody"}).status_code == 404
            return []
        return [stack.post(endpoint, {"workflow_id": ids[number % len(ids)]}).json()]

    with ThreadPoolExecutor(8) as pool:
        answers = [a for batch in pool.map(ask, range(200)) for a in batch]
    sent = {a["prediction_id"]: a for a in answers}
    until(lambda: len(logged(stack, since)) >= len(sent), 20)

    rows = {str(row.prediction_id): row for row in logged(stack, since)}
    assert rows.keys() == sent.keys()
    rows_of_all = {str(r.prediction_id): r for r in logged(stack, WATERMARK)}
    for prediction_id, answer in sent.items():
        row = rows[prediction_id]
        assert row.workflow_id == answer["workflow_id"]
        assert row.model_version == answer["model"]["version"]
        figure = FIGURES[Model(row.model_name)][0]
        assert row.output[figure] == answer[figure]
        assert row.as_of == datetime.fromisoformat(answer["as_of"])
        assert row.latency_ms > 0
        given = row if row.cached_from is None else rows_of_all[str(row.cached_from)]
        assert "workflow_progress__last_activity" in given.features


@pytest.mark.parametrize("model", WORKFLOW_MODELS)
def test_new_champion_takes_over_without_a_failure(stack: Stack, model: Model) -> None:
    (workflow_id, *_) = stack.running()
    before = stack.version(model)
    seen: list[tuple[int, str]] = []
    is_over = False

    def ask() -> None:
        with httpx.Client(headers=stack.headers) as client:
            while not is_over:
                response = client.post(
                    f"{stack.url}{ENDPOINTS[model]}", json={"workflow_id": workflow_id}, timeout=30
                )
                seen.append((response.status_code, response.json()["model"]["version"]))

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        after = stack.publish(model, seed=2)
        until(lambda: stack.version(model) == after, 30)
        until(lambda: seen and seen[-1][1] == after, 30)
        is_over = True
        for future in asking:
            future.result()

    assert before != after
    assert {status for status, _ in seen} == {200}
    assert {version for _, version in seen} == {before, after}
    assert_equal_to_registry(stack, model)


def test_log_survives_a_database_that_goes_and_comes_back(
    stack: Stack, postgres_admin: Engine
) -> None:
    ids = stack.running()[:10]
    since = database_now(stack)
    name = stack.database.url.database
    stack.database.dispose()
    with postgres_admin.connect() as connection:
        connection.execute(text(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false'))
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": name},
        )
    try:
        degraded = until(lambda: (
            a := stack.post("/assess_risk", {"workflow_id": ids[0]}).json()
        )["is_degraded"] and a)  # fmt: skip
        answers = [stack.post("/assess_risk", {"workflow_ids": ids}).json()["answers"]]
        assert len(answers[0]) == 10
        assert degraded["degraded_because"] == [
            "the clock of the features could not be read lately"
        ]
        until(lambda: len(stack.get("/readyz").json()["degraded"]) == 2)
        assert stack.get("/readyz").status_code == 200
    finally:
        with postgres_admin.connect() as connection:
            connection.execute(text(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true'))
    wanted = {a["prediction_id"] for a in answers[0]} | {degraded["prediction_id"]}
    until(lambda: wanted <= {str(row.prediction_id) for row in logged(stack, since)}, 30)
    until(lambda: stack.get("/readyz").json()["degraded"] == [])
    assert list((stack.settings.home / "spill" / "predictions").iterdir()) == []
    answer = stack.post("/assess_risk", {"workflow_id": ids[0]}).json()
    assert answer["is_degraded"] is False


def test_nothing_is_lost_when_the_service_is_stopped(stack: Stack) -> None:
    ids = stack.running()
    since = database_now(stack)
    answers = stack.post("/predict_duration", {"workflow_ids": ids}).json()["answers"]
    stack.service.stop(signal.SIGTERM)
    try:
        rows = {str(row.prediction_id) for row in logged(stack, since)}
        assert rows == {a["prediction_id"] for a in answers}
    finally:
        stack.service.start()
        until(lambda: stack.get("/readyz").status_code == 200)


def test_valkey_away_and_back(stack: Stack) -> None:
    (workflow_id, *_) = stack.running()
    before = stack.post("/predict_duration", {"workflow_id": workflow_id}).json()
    dump = stack.valkey
    dump.stop()
    try:
        until(lambda: stack.get("/readyz").json()["degraded"])
        started = time.monotonic()
        for _ in range(5):
            answer = stack.post("/predict_duration", {"workflow_id": workflow_id}).json()
            assert answer["remaining_time_s"] == before["remaining_time_s"]
            assert answer["as_of"] == before["as_of"]
            assert "features from the lake" in answer["degraded_because"][0]
        assert time.monotonic() - started < 5  # no request waits for a store known to be away
        assert stack.get("/livez").status_code == stack.get("/readyz").status_code == 200
    finally:
        dump.start()
        build_features(stack)
    until(lambda: stack.get("/readyz").status_code == 200)
    assert stack.post("/predict_duration", {"workflow_id": workflow_id}).status_code == 200


def test_mlflow_away_the_models_go_on(stack: Stack) -> None:
    (workflow_id, *_) = stack.running()
    stack.mlflow.stop(signal.SIGKILL)
    until(lambda: stack.get("/readyz").json()["degraded"])
    response = stack.post("/assess_risk", {"workflow_id": workflow_id})
    assert response.status_code == 200
    stack.mlflow.start()
    until(lambda: stack.get("/readyz").json()["degraded"] == [], 300)
