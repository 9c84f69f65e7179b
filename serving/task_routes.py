"""The routes of who should do a task, and of who should do which of several."""

from http import HTTPStatus

from fastapi import FastAPI, Request, Response

from serving.allocation import recommend_allocation
from serving.allocation_schemas import Allocation, AllocationQuestion
from serving.assignees import recommend_assignees
from serving.responses import json_response, problems, runtime_of
from serving.task_schemas import AssigneeQuestion, Recommendation

_PROBLEMS = problems(
    HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
)


def add_assignees(app: FastAPI) -> None:
    """Add the routes."""

    @app.post(
        "/recommend_assignees",
        response_model=Recommendation,
        responses=_PROBLEMS,
        summary="Who should do a task?",
    )
    def recommend(question: AssigneeQuestion, request: Request) -> Response:
        """Answer with people, the best first: how long each would take, by when, and why."""
        return json_response(recommend_assignees(runtime_of(request), question.root))

    @app.post(
        "/recommend_allocation",
        response_model=Allocation,
        responses=_PROBLEMS,
        summary="Who should do which of several open tasks, and when?",
    )
    def allocate(question: AllocationQuestion, request: Request) -> Response:
        """Answer with a plan of least lateness and time, its reasons, and what cannot be met."""
        return json_response(recommend_allocation(runtime_of(request), question))
