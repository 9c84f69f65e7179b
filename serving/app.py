"""The HTTP app: routes, their place in the OpenAPI page, and nothing else."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from serving.acknowledge import add_acknowledge
from serving.alerts import add_alerts
from serving.answers import (
    duration_batch,
    duration_if,
    durations,
    risk_batch,
    risk_if,
    risks,
)
from serving.examples import with_examples
from serving.feedback import add_feedback
from serving.front import docs_page
from serving.guard.middleware import GuardMiddleware
from serving.guard.openapi import with_security
from serving.lanes import Lane
from serving.problems import add_problem_handlers
from serving.question_route import QuestionRoute
from serving.questions import AboutOne
from serving.registry_events import add_registry_events
from serving.responses import answered, answered_together, json_response, problems, runtime_of
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
from serving.task_durations import AboutTask, task_batch, task_if, tasks
from serving.task_routes import add_assignees
from serving.task_schemas import (
    DurationQuestion,
    ManyTasks,
    OneTask,
    TaskDuration,
    TaskDurationBatch,
)
from serving.template_routes import add_templates
from serving.tracing import TraceMiddleware

if TYPE_CHECKING:
    from serving.runtime import Runtime

_ABOUT: Final = """
How long running workflows and their tasks will still take, which will be late, who should do
what, and which template fits, from the history of an organisation. Ids are the history's own.
A request needs a bearer token (Authorize): in development `workcast token` prints one that may
ask for predictions. Every failure is a problem object (RFC 9457).

A single question about an unknown workflow is answered by 404, about a closed one by 422.
In a batch every workflow is answered on its own: `answers` holds those that can be, `problems`
the others, both in the order asked, and the status is 200.
"""


_ASKED: Final = problems(
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
    app.router.route_class = QuestionRoute
    add_problem_handlers(app)
    app.add_middleware(GuardMiddleware)
    app.add_middleware(TraceMiddleware)  # the last is the first
    _add_questions(app)
    add_templates(app)
    add_assignees(app)
    _add_state(app)
    add_registry_events(app)
    add_feedback(app)
    add_alerts(app)
    add_acknowledge(app)
    return app


def _add_questions(app: FastAPI) -> None:
    @app.post(
        "/predict_duration",
        response_model=Duration | DurationBatch | TaskDuration | TaskDurationBatch,
        responses=_ASKED,
        summary="How long will a workflow still take, or a task?",
    )
    async def predict_duration(question: DurationQuestion, request: Request) -> Response:
        """Answer with the expected time and the ranges that hold it four times in five."""
        asked, runtime = question.root, runtime_of(request)
        if isinstance(asked, ManyWorkflows):
            return await answered(Lane.LONG, duration_batch, runtime, asked)
        if isinstance(asked, OneTask):
            about = AboutTask(asked)
            if asked.person_id is not None or asked.overrides:
                return await answered(Lane.ADVICE, task_if, runtime, about)
            return await answered_together(Lane.ADVICE, tasks, runtime, about)
        if isinstance(asked, ManyTasks):
            return await answered(Lane.LONG, task_batch, runtime, asked.task_ids)
        if asked.overrides:
            return await answered(Lane.WORKFLOW, duration_if, runtime, asked)
        one = AboutOne(asked.workflow_id)
        return await answered_together(Lane.WORKFLOW, durations, runtime, one)

    @app.post(
        "/assess_risk",
        response_model=Risk | RiskBatch,
        responses=_ASKED,
        summary="How likely will a workflow be late, and why?",
    )
    async def assess_risk(question: Question, request: Request) -> Response:
        """Answer with the probability of being late and the inputs that moved it most."""
        asked, runtime = question.root, runtime_of(request)
        if isinstance(asked, ManyWorkflows):
            return await answered(Lane.LONG, risk_batch, runtime, asked)
        if asked.overrides:
            return await answered(Lane.WORKFLOW, risk_if, runtime, asked)
        one = AboutOne(asked.workflow_id)
        return await answered_together(Lane.WORKFLOW, risks, runtime, one)


def _add_state(app: FastAPI) -> None:
    @app.get("/models", response_model=Models, summary="Which model versions answer?")
    async def models(request: Request) -> Response:
        """Tell the version of each model, and why one is missing or kept out."""
        return json_response(runtime_of(request).models())

    @app.get(
        "/readyz",
        response_model=Readiness,
        responses={int(HTTPStatus.SERVICE_UNAVAILABLE): {"model": Readiness}},
        summary="Can the service answer?",
    )
    async def readyz(request: Request) -> Response:
        """Answer 200 when every model, the clock and the features are there, else 503 and why."""
        readiness = runtime_of(request).readiness()
        status = HTTPStatus.OK if readiness.is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        return json_response(readiness, status)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return docs_page()

    @app.get("/openapi.json", include_in_schema=False)
    @app.get("/docs.json", include_in_schema=False)
    def openapi(request: Request) -> JSONResponse:
        return JSONResponse(
            with_security(with_examples(app.openapi(), runtime_of(request).examples()))
        )

    @app.get("/", include_in_schema=False)
    async def index() -> RedirectResponse:
        return RedirectResponse("/docs")
