"""Traces as a collector gets them, and the log with their ids."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from serving import logs, tracing
from serving.logs import set_up_logs
from serving.tracing import span, start_tracing, trace_ids
from tests.serving.collector import Collector
from tests.serving.conftest import World

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


def names(spans: list[Span]) -> set[str]:
    return {each.name for each in spans}


def test_a_request_is_a_trace_below_its_callers(world: World, collector: Collector) -> None:
    stop = start_tracing(collector.url, 0.0)  # the caller decides
    try:
        headers = {"traceparent": PARENT}
        world.client.post("/assess_risk", json={"workflow_id": "WF-1"}, headers=headers)
        world.client.post("/assess_risk", json={"workflow_id": "WF-1"})
    finally:
        stop()

    (request,) = [each for each in collector.spans if each.kind == Span.SPAN_KIND_SERVER]
    assert request.name == "POST /assess_risk"
    assert request.parent_span_id.hex() == "b7ad6b7169203331"
    parts = [each for each in collector.spans if each is not request]
    assert names(parts) == {"cache", "features", "model", "log"}
    assert {each.trace_id.hex() for each in collector.spans} == {TRACE_ID}
    assert {each.parent_span_id for each in parts} == {request.span_id}
    attributes = {a.key: a.value for a in request.attributes}
    assert attributes["http.response.status_code"].int_value == 200
    of_model = {a.key: a.value for e in parts if e.name == "model" for a in e.attributes}
    assert (of_model["model"].string_value, of_model["version"].string_value) == ("delay_risk", "1")


def test_nobody_makes_up_names_of_spans(world: World, collector: Collector) -> None:
    stop = start_tracing(collector.url, 1.0)
    try:
        world.client.get("/made/up")
    finally:
        stop()
    assert names(collector.spans) == {"GET"}


def test_a_collector_that_is_away_costs_no_answer(world: World) -> None:
    stop = start_tracing("http://127.0.0.1:1", 1.0)
    try:
        answer = world.client.post("/assess_risk", json={"workflow_id": "WF-1"})
    finally:
        stop()
    assert answer.status_code == 200


def test_without_a_collector_there_are_no_spans(world: World) -> None:
    assert start_tracing(None, 1.0)() is None
    assert tracing._tracer is None
    assert span("a") is span("b")
    assert trace_ids() is None


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What goes to the log, with the loggers put back afterwards."""
    stream = io.StringIO()
    loggers = [logging.getLogger(n) for n in ("", *logs._OWN, *logs._WITH_HANDLERS)]
    before = [(each.handlers[:], each.level, each.propagate) for each in loggers]
    monkeypatch.setattr(logging.StreamHandler.__init__, "__defaults__", (stream,))
    yield stream
    for each, (handlers, level, propagate) in zip(loggers, before, strict=True):
        each.handlers, each.level, each.propagate = handlers, level, propagate


def test_the_log_is_json_with_the_trace(written: io.StringIO, collector: Collector) -> None:
    set_up_logs(as_json=True)
    logger = logging.getLogger("serving.test")
    logger.info("before %s", "all")
    stop = start_tracing(collector.url, 1.0)
    with span("part"):
        ids = trace_ids()
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            logger.exception("it failed")
    stop()

    first, second = map(json.loads, written.getvalue().splitlines())
    assert (first["message"], first["level"], first["logger"]) == (
        "before all",
        "INFO",
        "serving.test",
    )
    assert first["time"].endswith("+00:00")
    assert "trace_id" not in first
    assert (second["trace_id"], second["span_id"]) == ids
    assert "ZeroDivisionError" in second["exc_info"]
