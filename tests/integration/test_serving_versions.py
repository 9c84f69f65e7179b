"""Versions that come, go and are compared, with real MLflow, PostgreSQL, Valkey and the service."""

import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from unittest import mock

import httpx
import pandas as pd
import pytest
from pydantic import SecretStr
from sqlalchemy import URL, Engine, select

from pipelines.contracts import REGISTRY_EVENTS_PATH, WORKFLOW_MODELS, Alias, Model
from pipelines.platform.events import event_environment
from pipelines.registry import log as registry_log
from pipelines.registry.events import send_alias_events
from pipelines.registry.log import register
from pipelines.registry.promote import alias_versions
from pipelines.source.platform_tables import predictions
from serving.traffic import place
from tests.integration.serving_stack import (
    ORIGIN,
    Stack,
    bring_up,
    running_stack,
    trained,
    until,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

REMAINING, RISK = Model.REMAINING_TIME, Model.DELAY_RISK
SECRET = "only this test knows it"  # noqa: S105
RATIO = 0.4


@pytest.fixture(scope="module")
def stack(
    postgres_url: URL, postgres_admin: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    with running_stack(
        tmp_path_factory.mktemp("stack"),
        postgres_url,
        postgres_admin,
        registry_events_secret=SECRET,
        challenger_ratio=f'{{"remaining_time": {RATIO}}}',
        shadow_models='["delay_risk"]',
    ) as stack:
        stack.mlflow.environment |= event_environment(SecretStr(SECRET)) | {
            "MLFLOW_WEBHOOK_CACHE_TTL": "0"
        }
        bring_up(stack)
        yield stack


def logged(stack: Stack, model: Model) -> list[Any]:
    with stack.database.connect() as connection:
        query = select(predictions).where(predictions.c.model_name == model.value)
        return list(connection.execute(query))


def counted(stack: Stack, series: str) -> float:
    """Read one counter of /metrics; 0 before its first increment."""
    lines = stack.get("/metrics").text.splitlines()
    return next((float(li.rpartition(" ")[2]) for li in lines if li.startswith(series)), 0.0)


def test_alias_moved_back_and_forth_under_load_fails_no_request(stack: Stack) -> None:
    workflow_id = stack.running()[0]
    first = stack.version(RISK)
    second = stack.publish(RISK, seed=2)
    assert first is not None
    answers: list[tuple[int, str, float]] = []
    is_over = False

    def ask() -> None:
        with httpx.Client(headers=stack.headers) as client:
            while not is_over:
                url = f"{stack.url}/assess_risk"
                answer = client.post(url, json={"workflow_id": workflow_id}, timeout=30)
                body = answer.json()
                answers.append(
                    (answer.status_code, body["model"]["version"], body["late_probability"])
                )

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        try:
            for version in (second, first, second, first, second):
                stack.promote(RISK, version)
                until(lambda v=version: answers and answers[-1][1] == v, 60)  # type: ignore[misc]
        finally:
            is_over = True
        for future in asking:
            future.result()

    assert {status for status, _, _ in answers} == {200}
    # Never a mixture: to each version belongs one answer.
    assert len({(version, said) for _, version, said in answers}) == 2


def test_version_that_answers_otherwise_than_it_did_is_kept_out(stack: Stack) -> None:
    workflow_id = stack.running()[0]
    good = stack.version(RISK)
    assert good is not None
    write = registry_log.write_sample
    with mock.patch.object(
        registry_log,
        "write_sample",
        lambda folder, rows, answers: write(folder, rows, answers + 0.001),
    ):
        bad = stack.publish(RISK, seed=3)

    state = until(lambda: (s := stack.state(RISK))["refused_version"] == bad and s, 60)
    assert state["version"] == good
    assert "of its sample: late_probability is" in state["message"]
    ready = stack.get("/readyz")
    assert (ready.status_code, len(ready.json()["degraded"])) == (200, 1)
    answer = stack.post("/assess_risk", {"workflow_id": workflow_id}).json()
    assert answer["model"]["version"] == good
    refused = 'workcast_model_swaps_total{alias="champion",model="delay_risk",result="refused"}'
    assert counted(stack, refused) == 1
    stack.promote(RISK, good)
    until(lambda: stack.state(RISK)["message"] is None, 60)


def test_version_with_inputs_that_nobody_has_is_kept_out(stack: Stack) -> None:
    good = trained(stack.settings, RISK, 4)
    encoder = good.predictor.encoder
    columns = (replace(encoder.columns[0], source="astrology__sign"), *encoder.columns[1:])
    odd = replace(good.predictor, encoder=replace(encoder, columns=columns))
    sample = pd.DataFrame({name: [None] * 2 for name in odd.input_columns})
    sample["as_of"] = pd.Timestamp("2024-01-01", tz="UTC")
    version = register(
        replace(good, predictor=odd, sample_input=sample), ORIGIN, stack.settings.mlflow
    ).version

    state = until(
        lambda: (s := stack.state(RISK, "challengers")) and s["refused_version"] == version and s,
        60,
    )
    assert "its inputs astrology__sign are neither in the feature service" in state["message"]
    assert stack.get("/readyz").json()["degraded"] == []  # the champion is not touched


def test_a_share_of_workflows_is_the_challengers_and_is_logged_so(stack: Stack) -> None:
    ids = stack.running()
    champion = stack.version(REMAINING)
    challenger = stack.challenge(REMAINING, seed=5)
    until(lambda: (s := stack.state(REMAINING, "challengers")) and s["version"] == challenger, 60)

    answers = stack.post("/predict_duration", {"workflow_ids": ids}).json()["answers"]
    expected = {i: challenger if place(REMAINING, i) < RATIO else champion for i in ids}
    assert {a["workflow_id"]: a["model"]["version"] for a in answers} == expected
    assert len(set(expected.values())) == 2
    sent = {a["prediction_id"]: a for a in answers}
    rows = until(
        lambda: (
            len(r := [x for x in logged(stack, REMAINING) if str(x.prediction_id) in sent])
            == len(sent)
            and r
        ),
        30,
    )
    for row in rows:
        answer = sent[str(row.prediction_id)]
        assert (row.variant, row.model_version) == (
            answer["model"]["alias"],
            answer["model"]["version"],
        )
        assert row.propensity == pytest.approx(RATIO if row.variant == "challenger" else 1 - RATIO)
        assert row.cached_from is None


def test_a_challenger_in_the_shadow_is_logged_and_never_shown(stack: Stack) -> None:
    challenger = stack.challenge(RISK, seed=6)
    until(lambda: (s := stack.state(RISK, "challengers")) and s["version"] == challenger, 60)
    assert stack.state(RISK, "challengers")["is_shadow"]
    ids = stack.running()[:20]

    answers = [stack.post("/assess_risk", {"workflow_id": i}).json() for i in ids]

    assert {a["model"]["alias"] for a in answers} == {"champion"}
    shadows = until(
        lambda: (
            len(
                r := [
                    x
                    for x in logged(stack, RISK)
                    if x.variant == "shadow" and x.model_version == challenger
                ]
            )
            >= len(ids)
            and r
        ),
        30,
    )
    assert {row.propensity for row in shadows} == {0.0}
    shown = {a["prediction_id"] for a in answers}
    assert not shown & {str(row.prediction_id) for row in shadows}
    assert Counter(row.workflow_id for row in shadows) >= Counter(ids)


def test_mlflow_tells_the_service_that_an_alias_moved(stack: Stack) -> None:
    send_alias_events(f"{stack.url}{REGISTRY_EVENTS_PATH}", SECRET, stack.settings.mlflow)
    send_alias_events(f"{stack.url}{REGISTRY_EVENTS_PATH}", SECRET, stack.settings.mlflow)
    before = counted(stack, "workcast_registry_events_total")
    forged = httpx.post(f"{stack.url}{REGISTRY_EVENTS_PATH}", content=b"{}")
    assert forged.status_code == 401

    version = stack.publish(REMAINING, seed=7)  # moves challenger, then champion

    until(lambda: counted(stack, "workcast_registry_events_total") == before + 2, 60)
    until(lambda: stack.version(REMAINING) == version, 30)


def test_start_without_mlflow_answers_with_the_copy_on_disk(stack: Stack) -> None:
    workflow_id = stack.running()[0]
    registered = alias_versions(stack.settings.mlflow)
    named = {m: registered[m.value][Alias.CHAMPION] for m in WORKFLOW_MODELS}
    before = stack.post("/predict_duration", {"workflow_id": workflow_id}).json()
    stack.mlflow.stop(signal.SIGKILL)
    stack.service.stop(signal.SIGKILL)
    stack.service.start()
    ready = until(lambda: (r := stack.get("/readyz")).status_code == 200 and r).json()

    assert len(ready["degraded"]) == 2
    assert all("goes on: MLflow at http://" in line for line in ready["degraded"])
    for model in WORKFLOW_MODELS:
        state = stack.state(model)
        assert (state["version"], state["is_from_disk"]) == (named[model], True)
    answered = stack.post("/predict_duration", {"workflow_id": workflow_id})
    assert answered.status_code == 200, answered.text
    after = answered.json()
    same = ("model", "remaining_time_s", "as_of")
    assert [after[name] for name in same] == [before[name] for name in same]
    stack.mlflow.start()
    until(lambda: stack.get("/readyz").json()["degraded"] == [], 300)
    assert not any(stack.state(model)["is_from_disk"] for model in WORKFLOW_MODELS)
