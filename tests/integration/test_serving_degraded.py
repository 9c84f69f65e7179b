"""Kept answers, a store that hangs, traces and the log, with real servers."""

import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import URL, Engine, select

from pipelines.contracts import Model, Stage
from pipelines.source.platform_tables import predictions
from pipelines.source.watermarks import set_watermark
from pipelines.store.materialize import materialize
from tests.integration.serving_stack import WATERMARK, Stack, bring_up, running_stack, until
from tests.serving.collector import Collector

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


@pytest.fixture(scope="module")
def stack(
    collector: Collector,
    postgres_url: URL,
    postgres_admin: Engine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    with running_stack(
        tmp_path_factory.mktemp("stack"),
        postgres_url,
        postgres_admin,
        otlp_endpoint=collector.url,
        trace_ratio="0",
        log_format="json",
    ) as stack:
        bring_up(stack)
        yield stack


def cached(stack: Stack, result: str) -> float:
    series = f'workcast_cache_total{{model="remaining_time",result="{result}"}}'
    lines = stack.get("/metrics").text.splitlines()
    return next((float(li.rpartition(" ")[2]) for li in lines if li.startswith(series)), 0.0)


def duration(stack: Stack, workflow_id: str) -> Any:
    answer = stack.post("/predict_duration", {"workflow_id": workflow_id})
    assert answer.status_code == 200, answer.text
    return answer.json()


def kept(stack: Stack, workflow_id: str) -> Any:
    """Ask until the answer comes from the cache."""

    def again() -> Any:
        before = cached(stack, "hit")
        answer = duration(stack, workflow_id)
        return cached(stack, "hit") > before and answer

    return until(again, 30)


def test_an_answer_is_kept_until_features_the_clock_or_the_version_change(stack: Stack) -> None:
    workflow_id = stack.running()[0]
    first = duration(stack, workflow_id)
    again = kept(stack, workflow_id)
    assert again.pop("prediction_id") != first.pop("prediction_id")
    assert again == first

    misses = cached(stack, "miss")
    materialize(stack.settings, None, WATERMARK)
    assert duration(stack, workflow_id)["remaining_time_s"] == first["remaining_time_s"]
    assert cached(stack, "miss") == misses + 1
    kept(stack, workflow_id)

    version = stack.publish(Model.REMAINING_TIME, seed=2)
    until(lambda: stack.version(Model.REMAINING_TIME) == version, 60)
    assert duration(stack, workflow_id)["model"]["version"] == version
    assert cached(stack, "miss") == misses + 2
    kept(stack, workflow_id)

    later = WATERMARK.replace(hour=1)
    set_watermark(stack.database, Stage.FEATURES, later)
    until(lambda: duration(stack, workflow_id)["as_of"] == later.isoformat().replace("+00:00", "Z"))
    set_watermark(stack.database, Stage.FEATURES, WATERMARK)
    until(lambda: duration(stack, workflow_id)["as_of"] == first["as_of"])


def test_an_answer_given_again_is_logged_with_the_one_it_repeats(stack: Stack) -> None:
    answer = kept(stack, stack.running()[1])

    def row() -> Any:
        with stack.database.connect() as connection:
            query = select(predictions)
            by_id = {str(r.prediction_id): r for r in connection.execute(query)}
        again = by_id.get(answer["prediction_id"])
        return again and (again, by_id.get(str(again.cached_from)))

    again, first = until(row, 30)
    assert (again.workflow_id, again.output) == (first.workflow_id, first.output)
    assert (again.features, first.cached_from) == ({}, None)
    assert first.features


def test_a_store_that_hangs_hangs_nobody_for_long(stack: Stack) -> None:
    workflow_id, other = stack.running()[:2]
    before = duration(stack, workflow_id)
    pid = stack.valkey._process.pid  # type: ignore[union-attr]
    os.kill(pid, signal.SIGSTOP)
    try:
        # Finds out, and pays for it; the copy may still be of the clock of another test.
        until(lambda: duration(stack, other)["as_of"] == before["as_of"])
        started = time.monotonic()
        answers = [duration(stack, workflow_id) for _ in range(50)]
        assert time.monotonic() - started < 20  # each would wait 0.8 s
        assert {a["is_degraded"] for a in answers} == {True}
        assert {a["remaining_time_s"] for a in answers} == {before["remaining_time_s"]}
        ready = stack.get("/readyz")
        assert ready.status_code == 200
        assert "features come from the lake" in str(ready.json()["degraded"])
        shown = until(lambda: 'workcast_degraded{part="features"} 1' in stack.get("/metrics").text)
        assert shown
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: stack.get("/readyz").json()["degraded"] == [])
    assert not duration(stack, workflow_id)["is_degraded"]
    kept(stack, workflow_id)


def test_a_request_can_be_followed_into_the_service(stack: Stack, collector: Collector) -> None:
    parent = f"00-{TRACE_ID}-b7ad6b7169203331-01"
    body = {"workflow_id": stack.running()[0]}
    headers = stack.headers | {"traceparent": parent}
    httpx.post(f"{stack.url}/assess_risk", json=body, headers=headers, timeout=30)

    spans = until(lambda: [s for s in collector.spans if s.trace_id.hex() == TRACE_ID], 30)
    names = {span.name for span in spans}
    assert names >= {"POST /assess_risk", "cache", "features", "model", "log"}
    assert len({s.trace_id for s in collector.spans}) == 1  # nobody else asked for a trace


def test_the_log_is_json(stack: Stack) -> None:
    lines = stack.service.log.read_text().splitlines()
    ours = [json.loads(line) for line in lines if '"logger": "serving' in line]
    assert {"time", "level", "logger", "message"} <= set(ours[0])
    assert any("is the champion from now on" in line["message"] for line in ours)
