"""What every response tells a browser not to do (OWASP's list for HTTP headers)."""

import base64
import hashlib
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.front import DOCS_SCRIPT

_SCRIPT: Final = base64.b64encode(hashlib.sha256(DOCS_SCRIPT.encode()).digest()).decode()
# The page's own script by its hash, Swagger UI from here; its styles are in the elements.
_DOCS_POLICY: Final = (
    f"default-src 'none'; script-src 'self' 'sha256-{_SCRIPT}'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"

_ALWAYS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]
_ANSWER: Final = [
    *_ALWAYS,
    (b"content-security-policy", _POLICY.encode()),
    (b"cache-control", b"no-store"),
]
_DOCS: Final = [
    *_ALWAYS,
    (b"content-security-policy", _DOCS_POLICY.encode()),
    (b"cache-control", b"no-store"),
]
# Only over TLS: a browser that heard it would come no other way for a year.
_TLS: Final = (b"strict-transport-security", b"max-age=31536000")


class SecurityHeaders:
    """ASGI middleware: add the headers to whatever answers, refusals and failures too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = headers_for(scope["path"], is_tls=scope.get("scheme") == "https")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def headers_for(path: str, *, is_tls: bool) -> list[tuple[bytes, bytes]]:
    """Return the headers for what lies at a path; static files may be kept."""
    if path == "/docs":
        headers = _DOCS
    else:
        headers = _ALWAYS if path.startswith("/static_content/") else _ANSWER
    return [*headers, _TLS] if is_tls else headers
