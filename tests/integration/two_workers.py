"""A Bento of two workers that tells who answers, to see whose the connections are."""

import asyncio
import os
from pathlib import Path

import bentoml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from serving.evenly import Evenly


async def who(_request: Request) -> PlainTextResponse:
    await asyncio.sleep(0.02)
    return PlainTextResponse(str(os.getpid()))


@bentoml.service(name="two_workers", workers=2, metrics={"enabled": False})
@bentoml.asgi_app(Starlette(routes=[Route("/who", who)]), path="/")
class TwoWorkers: ...


# mypy takes no notice of what a class decorator returns.
TwoWorkers.add_asgi_middleware(  # type: ignore[attr-defined]
    Evenly, path=Path(os.environ["WORKER_LOADS"])
)
