"""The route of who should do a task."""

from http import HTTPStatus

from fastapi import FastAPI, Request, Response

from serving.assignees import recommend_assignees
from serving.responses import json_response, problems, runtime_of
from serving.task_schemas import AssigneeQuestion, Recommendation


def add_assignees(app: FastAPI) -> None:
    """Add the route."""

    @app.post(
        "/recommend_assignees",
        response_model=Recommendation,
        responses=problems(
            HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
        ),
        summary="Who should do a task?",
    )
    def recommend(question: AssigneeQuestion, request: Request) -> Response:
        """Answer with people, the best first: how long each would take, by when, and why."""
        return json_response(recommend_assignees(runtime_of(request), question.root))
