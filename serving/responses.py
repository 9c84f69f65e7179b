"""What the routes share: responses, the problems they may give, and the runtime behind them."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from fastapi import Request, Response
from pydantic import BaseModel

from serving.problems import MEDIA_TYPE

if TYPE_CHECKING:
    from serving.runtime import Runtime


def problems(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Return what the OpenAPI page says of an operation's problems."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    meanings = {
        HTTPStatus.NOT_FOUND: "The workflow, or the task, is unknown.",
        HTTPStatus.UNPROCESSABLE_ENTITY: "The request is malformed; or the workflow is closed, "
        "the task has ended, or its features have expired.",
        HTTPStatus.SERVICE_UNAVAILABLE: "There is no model, or no features to read.",
    }
    return {int(s): {"description": meanings[s], "content": content} for s in statuses}


def runtime_of(request: Request) -> "Runtime":
    """Return what stands behind the answers."""
    return cast("Runtime", request.app.state.runtime)


def json_response(body: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Encode once: FastAPI would check and copy the answer a second time."""
    return finished(body.model_dump_json(), status)


def finished(body: str | bytes, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Answer with JSON that is encoded already."""
    return Response(body, status, media_type="application/json")
