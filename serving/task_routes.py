"""The routes of who should do a task, and of who should do which of several."""

from http import HTTPStatus

from fastapi import FastAPI, Request, Response

from serving.allocation import AboutPlan, plan, plans
from serving.allocation_schemas import Allocation, AllocationQuestion
from serving.assignees import AboutPeople, assignees, assignees_if
from serving.lanes import Lane
from serving.responses import answered, answered_together, problems, runtime_of
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
    async def recommend(question: AssigneeQuestion, request: Request) -> Response:
        """Answer with people, the best first: how long each would take, by when, and why."""
        runtime, about = runtime_of(request), AboutPeople(question.root)
        if question.root.overrides:
            return await answered(Lane.ADVICE, assignees_if, runtime, about)
        return await answered_together(Lane.ADVICE, assignees, runtime, about)

    @app.post(
        "/recommend_allocation",
        response_model=Allocation,
        responses=_PROBLEMS,
        summary="Who should do which of several open tasks, and when?",
    )
    async def allocate(question: AllocationQuestion, request: Request) -> Response:
        """Answer with a plan of least lateness and time, its reasons, and what cannot be met."""
        runtime, about = runtime_of(request), AboutPlan(question)
        if about.is_short:
            return await answered_together(Lane.ADVICE, plans, runtime, about)
        return await answered(Lane.LONG, plan, runtime, about)
