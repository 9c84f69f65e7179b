"""Connections fall evenly to the workers, so that none keeps many waiting while another is idle.

All workers accept from one socket, whoever wakes first, and a connection stays where it was
accepted: of 32 that are opened at once, one worker may hold 28, or all (how it comes about:
Majkowski, "Why does one NGINX worker take all the load?", Cloudflare, 2017). So a worker that has
more in hand than the others says `Connection: close` with some of its answers. Whoever is told
connects again, and the worker that has less to do is the likelier to accept.
"""

import logging
import time
from collections.abc import MutableMapping
from math import exp
from pathlib import Path
from typing import Any, Final

import bentoml
from starlette.types import ASGIApp, Receive, Scope, Send

from serving import metrics
from serving.loads import Loads

logger = logging.getLogger(__name__)

_LEAST: Final = 4  # requests in hand: fewer are worth no new connection
_TOLERATED: Final = 2.0  # above the mean
_SETTLING_S: Final = 0.2  # until a connection has moved, and the averages show it
_CLOSE: Final = (b"connection", b"close")


class Evenly:
    """ASGI middleware: hang up, with an answer, on whom another worker would answer sooner.

    Args:
        app: answers.
        path: see `Loads`; where it cannot be had, nobody is hung up on.
    """

    def __init__(self, app: ASGIApp, path: Path) -> None:
        self._app = app
        self._loads = _open(path)
        self._count = 0
        self._moving = 0.0  # connections that were told to close, as far as no average shows it
        self._at_s = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or start and stop what answers."""
        loads = self._loads
        if loads is None or scope["type"] not in ("http", "lifespan"):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(loads, scope, receive, send)
        else:
            await self._live(loads, scope, receive, send)

    async def _answer(self, loads: Loads, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and self._is_too_much(loads):
                message["headers"] = [*message.get("headers", ()), _CLOSE]
                metrics.HANG_UPS.inc()
            await send(message)

        self._count += 1
        loads.tell(self._count, time.monotonic())
        try:
            await self._app(scope, receive, answer)
        finally:
            self._count -= 1
            loads.tell(self._count, time.monotonic())

    async def _live(self, loads: Loads, scope: Scope, receive: Receive, send: Send) -> None:
        """Count among the workers from when connections are taken: others' may come here then.

        Nobody tells an app when they are no longer taken, only when the last is answered.
        """

        async def started(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "lifespan.startup.complete":
                loads.tell(0, time.monotonic())
            await send(message)

        try:
            await self._app(scope, receive, started)
        finally:
            loads.leave()

    def _is_too_much(self, loads: Loads) -> bool:
        """Tell whether one connection less would be right."""
        if self._count < _LEAST:
            return False
        now_s = time.monotonic()
        self._moving *= exp((self._at_s - now_s) / _SETTLING_S)
        self._at_s = now_s
        if loads.excess(now_s) - self._moving < _TOLERATED:
            return False
        self._moving += 1
        return True


def _open(path: Path) -> Loads | None:
    try:
        return Loads(path, (bentoml.server_context.worker_index or 1) - 1)
    except OSError as err:
        logger.warning("Connections may fall unevenly to the workers: %s", err)
        return None
