"""Traces of requests (OpenTelemetry): request -> cache, features, model, log.

Off unless the settings name a collector; then a span costs a comparison and nothing else.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Tracer, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NAME: Final = "workcast"
_EXPORT_SECONDS: Final = 5
_PROPAGATOR: Final = TraceContextTextMapPropagator()
_FIELDS: Final = frozenset(name.encode() for name in _PROPAGATOR.fields)
_OFF: Final[AbstractContextManager[object]] = nullcontext()

# One for the process, as OpenTelemetry's own; set once, before the first request.
_tracer: Tracer | None = None


def start_tracing(endpoint: str | None, ratio: float) -> Callable[[], None]:
    """Send spans to the OTLP collector at `endpoint`, by HTTP; return what ends that.

    A collector that is away costs spans, never a request. A caller that traces its own request
    (W3C traceparent) decides whether it is recorded; of the others a share of `ratio` is.
    """
    global _tracer  # noqa: PLW0603
    if endpoint is None:
        return lambda: None
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(ratio)),
        resource=Resource.create({SERVICE_NAME: _NAME}),
    )
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = provider.get_tracer(_NAME)

    def stop() -> None:
        global _tracer  # noqa: PLW0603
        _tracer = None
        provider.shutdown()

    return stop


def span(name: str, **attributes: str) -> AbstractContextManager[object]:
    """Time a part of what is done now."""
    if _tracer is None:
        return _OFF
    return _tracer.start_as_current_span(name, attributes=attributes)


def trace_ids() -> tuple[str, str] | None:
    """Return the ids of the trace and the span that this is part of, in hexadecimal digits."""
    context = get_current_span().get_span_context()
    if _tracer is None or not context.is_valid:
        return None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def is_traced() -> bool:
    """Whether what is done now is part of a trace that is recorded."""
    return _tracer is not None and get_current_span().is_recording()


class TraceMiddleware:
    """ASGI middleware: a span for each request, below that of its caller."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if _tracer is None or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        carrier = {k.decode(): v.decode("latin-1") for k, v in scope["headers"] if k in _FIELDS}
        method = scope["method"]
        with _tracer.start_as_current_span(
            method,
            # Not below BentoML's own spans, which go nowhere.
            context=_PROPAGATOR.extract(carrier, Context()),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "url.path": scope["path"]},
        ) as current:

            async def noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    current.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self._app(scope, receive, noted)
            route = getattr(scope.get("route"), "path", None)
            if route is not None:  # else anybody could make up names
                current.update_name(f"{method} {route}")
