"""The route of templates and next activities."""

from http import HTTPStatus

from fastapi import FastAPI, Request, Response

from serving.lanes import Lane
from serving.next_activities import AboutRunning, next_activities
from serving.responses import answered, answered_together, problems, runtime_of
from serving.template_schemas import (
    NewWorkflow,
    NextActivities,
    TemplateQuestion,
    TemplateSuggestions,
)
from serving.templates import templates_for


def add_templates(app: FastAPI) -> None:
    """Add the route."""

    @app.post(
        "/suggest_templates",
        response_model=TemplateSuggestions | NextActivities,
        responses=problems(
            HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
        ),
        summary="Which template fits a new workflow; what follows in a running one?",
    )
    async def suggest_templates(question: TemplateQuestion, request: Request) -> Response:
        """Answer with templates and how such workflows went, or with the next activities."""
        asked, runtime = question.root, runtime_of(request)
        if isinstance(asked, NewWorkflow):
            return await answered(Lane.ADVICE, templates_for, runtime, asked)
        return await answered_together(Lane.ADVICE, next_activities, runtime, AboutRunning(asked))
