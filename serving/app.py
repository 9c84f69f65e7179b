"""The HTTP app: routes, their place in the OpenAPI page, and nothing else."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel

from serving.alerts import add_alerts
from serving.answers import duration_batch, one_duration, one_risk, risk_batch
from serving.examples import with_examples
from serving.feedback import add_feedback
from serving.front import docs_page
from serving.guard.middleware import GuardMiddleware
from serving.guard.openapi import with_security
from serving.problems import MEDIA_TYPE, add_problem_handlers
from serving.registry_events import add_registry_events
from serving.schemas import (
    Duration,
    DurationBatch,
    ManyWorkflows,
    Models,
    Question,
    Readiness,
    Risk,
    RiskBatch,
)

if TYPE_CHECKING:
    from serving.runtime import Runtime

_ABOUT: Final = """
How long running workflows will still take, and which will be late, from the history of an
organisation. Ids are the history's own. Every failure is a problem object (RFC 9457).

A single question about an unknown workflow is answered by 404, about a closed one by 422.
In a batch every workflow is answered on its own: `answers` holds those that can be, `problems`
the others, both in the order asked, and the status is 200.
"""


def _problems(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    meanings = {
        HTTPStatus.NOT_FOUND: "The workflow is unknown.",
        HTTPStatus.UNPROCESSABLE_ENTITY: "The request is malformed; or the workflow is closed, "
        "or its features have expired.",
        HTTPStatus.SERVICE_UNAVAILABLE: "There is no model, or no features to read.",
    }
    return {int(s): {"description": meanings[s], "content": content} for s in statuses}


_ASKED: Final = _problems(
    HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
)


def create_app(open_runtime: "Callable[[], Runtime]", version: str) -> FastAPI:
    """Make the app; what it needs is opened when it starts and closed when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.runtime = open_runtime()
        try:
            yield
        finally:
            app.state.runtime.close()

    app = FastAPI(
        title="Workcast",
        version=version,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    add_problem_handlers(app)
    app.add_middleware(GuardMiddleware)
    _add_questions(app)
    _add_state(app)
    add_registry_events(app)
    add_feedback(app)
    add_alerts(app)
    return app


def _runtime(request: Request) -> "Runtime":
    return cast("Runtime", request.app.state.runtime)


def _json(body: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Encode once: FastAPI would check and copy the answer a second time."""
    return _finished(body.model_dump_json(), status)


def _finished(body: str | bytes, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(body, status, media_type="application/json")


def _add_questions(app: FastAPI) -> None:
    @app.post(
        "/predict_duration",
        response_model=Duration | DurationBatch,
        responses=_ASKED,
        summary="How long will a workflow still take?",
    )
    def predict_duration(question: Question, request: Request) -> Response:
        """Answer with the remaining time and the range that holds it four times in five."""
        asked, runtime = question.root, _runtime(request)
        if isinstance(asked, ManyWorkflows):
            return _json(duration_batch(runtime, asked.workflow_ids))
        return _finished(one_duration(runtime, asked.workflow_id))

    @app.post(
        "/assess_risk",
        response_model=Risk | RiskBatch,
        responses=_ASKED,
        summary="How likely will a workflow be late, and why?",
    )
    def assess_risk(question: Question, request: Request) -> Response:
        """Answer with the probability of being late and the inputs that moved it most."""
        asked, runtime = question.root, _runtime(request)
        if isinstance(asked, ManyWorkflows):
            return _json(risk_batch(runtime, asked.workflow_ids))
        return _finished(one_risk(runtime, asked.workflow_id))


def _add_state(app: FastAPI) -> None:
    @app.get("/models", response_model=Models, summary="Which model versions answer?")
    async def models(request: Request) -> Response:
        """Tell the version of each model, and why one is missing or kept out."""
        return _json(_runtime(request).models())

    @app.get(
        "/readyz",
        response_model=Readiness,
        responses={int(HTTPStatus.SERVICE_UNAVAILABLE): {"model": Readiness}},
        summary="Can the service answer?",
    )
    async def readyz(request: Request) -> Response:
        """Answer 200 when every model, the clock and the features are there, else 503 and why."""
        readiness = _runtime(request).readiness()
        status = HTTPStatus.OK if readiness.is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        return _json(readiness, status)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return docs_page()

    @app.get("/openapi.json", include_in_schema=False)
    @app.get("/docs.json", include_in_schema=False)
    def openapi(request: Request) -> JSONResponse:
        return JSONResponse(
            with_security(with_examples(app.openapi(), _runtime(request).example_ids()))
        )

    @app.get("/", include_in_schema=False)
    async def index() -> RedirectResponse:
        return RedirectResponse("/docs")
