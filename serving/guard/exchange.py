"""One request and its response, while the guard watches over both."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from starlette.types import Message, Receive, Scope, Send

from pipelines.monitoring.audit_log import AuditEntry
from serving import metrics
from serving.guard.rates import Verdict
from serving.guard.refusals import RefusedError, TimedOutError, TooLargeError, refusal
from serving.guard.tokens import Caller

# Every answer carries this member; within a JSON text its quotes would be escaped.
_PREDICTION: Final = b'"prediction_id":"'
_ID_LENGTH: Final = 36
_GONE: Final[Message] = {"type": "http.disconnect"}


class Exchange:
    """Let a request and its response through, as long as both keep to the limits.

    Where they do not, the guard answers itself, and what the app says later is not heard.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, max_bytes: int) -> None:
        self.scope = scope
        self.caller: Caller | None = None
        self.verdict: Verdict | None = None
        self.status = 0
        self._receive = receive
        self._send = send
        self._max_bytes = max_bytes
        self._came_at = datetime.now(UTC)
        self._started = time.perf_counter()
        self._received_bytes = 0
        self._is_over = False
        self._late: asyncio.Task[None] | None = None
        self._prediction_count = 0
        self._first_prediction = ""

    async def receive(self) -> Message:
        """Hand a part of the request to the app; refuse a body that grows too long."""
        if self._is_over:
            return _GONE
        message = await self._receive()
        if message["type"] == "http.request":
            self._received_bytes += len(message.get("body", b""))
            if self._received_bytes > self._max_bytes:
                await self.refuse(too_large(self._max_bytes))
                return _GONE
        return message

    async def send(self, message: Message) -> None:
        """Hand a part of the response to the client."""
        if self._is_over:
            return
        if message["type"] == "http.response.body":
            self._note_predictions(message.get("body", b""))
        await self._deliver(message)

    async def refuse(self, error: RefusedError) -> None:
        """Answer with a problem in place of the app, unless it has begun to answer."""
        if self._is_over or self.status:
            return
        self._is_over = True
        metrics.REFUSALS.labels(error.reason).inc()
        await refusal(error)(self.scope, self._receive, self._deliver)

    def time_out(self, after_s: float) -> asyncio.TimerHandle:
        """Refuse the request once `after_s` have passed; the caller cancels the timer.

        The app is not cancelled: a thread cannot be, and its place is not free before it ends.
        """
        return asyncio.get_running_loop().call_later(after_s, self._expire, after_s)

    async def settle(self) -> None:
        """Wait for a refusal that the timer began to send."""
        if self._late is not None:
            await self._late

    def audit_entry(self, caller: Caller) -> AuditEntry:
        """Say who asked what, and how it ended; neither token nor address nor name is in it."""
        return AuditEntry(
            request_id=uuid4(),
            happened_at=self._came_at,
            actor=caller.pseudonym,
            action=f"{self.scope['method']} {self.scope['path']}",
            subject=self._first_prediction,
            details={
                "roles": sorted(role.value for role in caller.roles),
                "status": self.status or 500,  # the app failed: it is answered outside the guard
                "latency_ms": round((time.perf_counter() - self._started) * 1_000, 3),
                "prediction_count": self._prediction_count,
            },
        )

    async def _deliver(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            if self.verdict is not None:
                message["headers"] = [*message.get("headers", ()), *self.verdict.headers]
        await self._send(message)

    def _expire(self, after_s: float) -> None:
        error = TimedOutError(f"There was no answer within {after_s:g} s; ask again later.")
        self._late = asyncio.ensure_future(self.refuse(error))

    def _note_predictions(self, body: bytes) -> None:
        count = body.count(_PREDICTION)
        if count and not self._prediction_count:
            begin = body.index(_PREDICTION) + len(_PREDICTION)
            self._first_prediction = body[begin : begin + _ID_LENGTH].decode(errors="replace")
        self._prediction_count += count


def too_large(max_bytes: int) -> TooLargeError:
    """Say how long a body may be."""
    return TooLargeError(f"A body may have {max_bytes} bytes; ask about fewer workflows at once.")
