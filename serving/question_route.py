"""A route whose question goes from the request's bytes to its model in one step.

FastAPI parses a body, then checks it, then resolves what an endpoint depends on: a quarter of what
the event loop does for a short answer. Here pydantic reads the bytes itself. What it does not take
is left to FastAPI, which names the fields at fault.
"""

from collections.abc import Callable, Coroutine
from inspect import iscoroutinefunction
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class QuestionRoute(APIRoute):
    """Of an asynchronous endpoint(question, request) that returns a response; else FastAPI's."""

    def get_route_handler(self) -> Handler:
        """Return what answers a request."""
        by_fastapi: Handler = super().get_route_handler()
        if self.body_field is None or not iscoroutinefunction(self.endpoint):
            return by_fastapi
        kind: Any = self.body_field.field_info.annotation
        question, endpoint = TypeAdapter[Any](kind), self.endpoint

        async def answer(request: Request) -> Response:
            if request.headers.get("content-type") != "application/json":
                return await by_fastapi(request)
            try:
                asked = question.validate_json(await request.body())
            except ValidationError:
                return await by_fastapi(request)
            response: Response = await endpoint(asked, request)
            return response

        return answer
