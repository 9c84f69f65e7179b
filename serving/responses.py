"""What the routes share: responses, the problems they may give, and the runtime behind them."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, cast

from fastapi import Request, Response
from pydantic import BaseModel

from serving.lanes import Lane
from serving.problems import PROBLEM_CONTENT
from serving.together import Outcome, Question, only
from serving.tracing import is_traced

if TYPE_CHECKING:
    from serving.runtime import Runtime


P = ParamSpec("P")


def problems(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Return what the OpenAPI page says of an operation's problems."""
    meanings = {
        HTTPStatus.NOT_FOUND: "The workflow, or the task, is unknown.",
        HTTPStatus.UNPROCESSABLE_ENTITY: "The request is malformed; or the workflow is closed, "
        "the task has ended, or its features have expired.",
        HTTPStatus.SERVICE_UNAVAILABLE: "There is no model, or no features to read.",
    }
    return {int(s): {"description": meanings[s], "content": PROBLEM_CONTENT} for s in statuses}


def runtime_of(request: Request) -> "Runtime":
    """Return what stands behind the answers."""
    return cast("Runtime", request.app.state.runtime)


async def answered(
    lane: Lane,
    answer: "Callable[Concatenate[Runtime, P], BaseModel | bytes]",
    runtime: "Runtime",
    *asked: P.args,
    **options: P.kwargs,
) -> Response:
    """Let a thread of the lane answer, and write the answer as JSON there."""

    def respond() -> Response:
        body = answer(runtime, *asked, **options)
        return finished(body) if isinstance(body, bytes) else json_response(body)

    return await runtime.lanes.run(lane, respond)


async def answered_together(
    lane: Lane,
    answer: "Callable[[Runtime, Sequence[Question]], Sequence[Outcome]]",
    runtime: "Runtime",
    question: Question,
) -> Response:
    """Let a thread of the lane answer, at once with others that wait for it.

    Who is traced is answered alone: the spans tell of nobody else.
    """
    if is_traced():
        body = await runtime.lanes.run(lane, lambda: only(answer(runtime, [question])))
    else:
        body = await runtime.lanes.together(lane, answer, runtime).ask(question)
    return finished(body)


def json_response(body: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Encode once: FastAPI would check and copy the answer a second time."""
    return finished(body.model_dump_json(), status)


def finished(body: str | bytes, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Answer with JSON that is encoded already."""
    return Response(body, status, media_type="application/json")
