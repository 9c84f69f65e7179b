"""Everything that goes wrong is said as an RFC 9457 problem, never as a bare 400 or 500."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

logger = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
# How the OpenAPI page describes one.
PROBLEM_CONTENT: Final = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_TYPE: Final = "urn:problem-type:workcast:"


class ProblemError(Exception):
    """One kind of problem; raised anywhere behind a request, answered as its JSON."""

    status: HTTPStatus
    kind: str
    title: str

    def __init__(self, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members

    def content(self) -> dict[str, Any]:
        """Return the members of the problem object."""
        return {
            "type": f"{_TYPE}{self.kind}",
            "title": self.title,
            "status": int(self.status),
            "detail": self.detail,
            **self.members,
        }


class UnknownWorkflowError(ProblemError):
    """No history has this workflow."""

    status = HTTPStatus.NOT_FOUND
    kind = "unknown-workflow"
    title = "Unknown workflow"


class ClosedWorkflowError(ProblemError):
    """There is nothing left to predict."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "closed-workflow"
    title = "Closed workflow"


class ForgottenWorkflowError(ProblemError):
    """The last event is so old that its features have expired."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "expired-features"
    title = "Features have expired"


class InvalidRequestError(ProblemError):
    """The request does not have the form that the OpenAPI page shows."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "invalid-request"
    title = "Invalid request"


class NoChampionError(ProblemError):
    """No version of the model carries the alias, or none could be loaded."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind = "no-champion"
    title = "No model to answer with"


class FeaturesAwayError(ProblemError):
    """The online store or the clock of the features cannot be read."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind = "features-away"
    title = "No features to answer from"


class HistoryAwayError(ProblemError):
    """The source database cannot be asked."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind = "history-away"
    title = "No history to answer from"


class UnknownTaskError(ProblemError):
    """The source has no such task."""

    status = HTTPStatus.NOT_FOUND
    kind = "unknown-task"
    title = "Unknown task"


class EndedTaskError(ProblemError):
    """There is nothing left to predict."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "ended-task"
    title = "Ended task"


class UnknownPersonError(ProblemError):
    """The source has no such person."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "unknown-person"
    title = "Unknown person"


class NoCandidateError(ProblemError):
    """The constraints leave nobody."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "no-candidate"
    title = "Nobody may do it"


class UnknownActivityError(ProblemError):
    """Nobody has ever done this."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "unknown-activity"
    title = "Unknown activity"


def problem(error: ProblemError) -> JSONResponse:
    """Turn a problem into its response; a client may come back after the seconds given."""
    headers = {"Retry-After": "5"} if error.status is HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse(
        error.content(), status_code=error.status, headers=headers, media_type=MEDIA_TYPE
    )


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every failure of the app with a problem."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_unexpected)


async def _on_problem(_: Request, err: Exception) -> JSONResponse:
    assert isinstance(err, ProblemError)  # noqa: S101 - Starlette dispatches by class
    return problem(err)


async def _on_invalid(_: Request, err: Exception) -> JSONResponse:
    assert isinstance(err, RequestValidationError)  # noqa: S101
    return problem(invalid_request(err.errors()))


def invalid_request(errors: Sequence[Mapping[str, Any]]) -> InvalidRequestError:
    """Name every field at fault; the values are not repeated, they may be long or private."""
    faults = [_fault(error) for error in errors]
    detail = "; ".join(f"{fault['field']}: {fault['message']}" for fault in faults)
    return InvalidRequestError(f"{detail}. See /docs for the form of a request.", errors=faults)


def _fault(error: Mapping[str, Any]) -> dict[str, str]:
    if error["type"] == "json_invalid":
        # The second part of its place is a position in the text.
        reason = error.get("ctx", {}).get("error", "not readable")
        return {"field": "body", "message": f"no JSON, at character {error['loc'][-1]}: {reason}"}
    # FastAPI puts body or query before the names, pydantic the kind of question, as we write it.
    names = [str(part) for part in error["loc"][1:]]
    is_whole = len(names) == 1 and error["type"] == "extra_forbidden"  # somebody's own name
    if names and names[0].startswith("(") and not is_whole:
        del names[0]
    return {"field": ".".join(names) or "body", "message": str(error["msg"])}


async def _on_http(request: Request, err: Exception) -> JSONResponse:
    """Say Starlette's own refusals (no such page, wrong method, unreadable body) as problems."""
    assert isinstance(err, HTTPException)  # noqa: S101
    if err.status_code == HTTPStatus.BAD_REQUEST:
        return problem(InvalidRequestError("body: cannot be read as JSON in UTF-8. See /docs.",
                       errors=[{"field": "body", "message": "not readable"}]))  # fmt: skip
    status = HTTPStatus(err.status_code)
    content = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": f"{request.method} {request.url.path}: {status.description or err.detail}. "
        "See /docs for what there is.",
    }
    return JSONResponse(content, status, dict(err.headers or {}), MEDIA_TYPE)


async def _on_unexpected(request: Request, err: Exception) -> JSONResponse:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=err)
    content = {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": int(HTTPStatus.INTERNAL_SERVER_ERROR),
        "detail": "An unexpected error; the service's log tells more.",
    }
    return JSONResponse(content, HTTPStatus.INTERNAL_SERVER_ERROR, media_type=MEDIA_TYPE)
