"""The fast path of a new version: MLflow says that an alias moved, and the watch looks at once.

What the event says is not believed, only that there is one: the registry itself is asked. So a
lost event costs some seconds, and one worker of several is enough to be told.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI, Request, Response

from pipelines.contracts import REGISTRY_EVENTS_PATH
from serving import metrics
from serving.problems import ProblemError

if TYPE_CHECKING:
    from serving.runtime import Runtime

_OLDEST_SECONDS: Final = 300
_MOST_BYTES: Final = 100_000
_VERSION: Final = "v1"


class EventsOffError(ProblemError):
    """No secret is set, so no event can be told from a forged one."""

    status = HTTPStatus.NOT_FOUND
    kind = "registry-events-off"
    title = "Registry events are off"


class ForgedEventError(ProblemError):
    """The signature is not that of the registry."""

    status = HTTPStatus.UNAUTHORIZED
    kind = "forged-event"
    title = "Signature not valid"


def add_registry_events(app: FastAPI) -> None:
    """Add the route that MLflow's webhook calls."""

    @app.post(REGISTRY_EVENTS_PATH, include_in_schema=False, status_code=HTTPStatus.NO_CONTENT)
    async def registry_events(request: Request) -> Response:
        runtime: Runtime = request.app.state.runtime
        secret = runtime.registry_events_secret
        if secret is None:
            raise EventsOffError("Set WORKCAST_REGISTRY_EVENTS_SECRET to take registry events.")
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BYTES:
                raise ForgedEventError(f"An event has at most {_MOST_BYTES} bytes.")
        require_signature(request.headers, bytes(body), secret, time.time())
        metrics.REGISTRY_EVENTS.inc()
        runtime.watch.poke()
        return Response(status_code=HTTPStatus.NO_CONTENT)


def require_signature(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> None:
    """See that MLflow signed the body, lately.

    HMAC-SHA256 over "delivery id.timestamp.body", as of the Standard Webhooks specification
    (https://www.standardwebhooks.com), in the headers that MLflow gives it.

    Raises:
        ForgedEventError: it did not, or more than five minutes ago.
    """
    delivery = headers.get("x-mlflow-delivery-id", "")
    timestamp = headers.get("x-mlflow-timestamp", "")
    signed = f"{delivery}.{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    expected = f"{_VERSION},{base64.b64encode(digest).decode()}"
    given = headers.get("x-mlflow-signature", "")
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise ForgedEventError("The header X-MLflow-Signature is missing or not the registry's.")
    if not timestamp.isdecimal() or abs(now - int(timestamp)) > _OLDEST_SECONDS:
        raise ForgedEventError(f"The event is older than {_OLDEST_SECONDS} s; send it anew.")
