"""The door of the service: which requests BentoML answers itself, and the OpenAPI page.

BentoML's own routes come before a mounted app: its `/readyz` knows nothing of models, its
index page loads a tracker from the network, and its 404 is plain text. So everything but
its liveness, metrics and static files goes straight to our app.
"""

from typing import Final

from fastapi.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_OF_BENTOML: Final = frozenset({"/livez", "/healthz", "/metrics"})
_STATIC: Final = "/static_content/"

DOCS_SCRIPT: Final = """
window.ui = SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true});
"""

# Swagger UI from the files that BentoML brings, so that it works without a network.
_PAGE: Final = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Workcast</title>
<link rel="stylesheet" href="/static_content/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/static_content/swagger-ui-bundle.js"></script>
<script>{DOCS_SCRIPT}</script>
</body>
</html>
"""


class Front:
    """ASGI middleware: hand every request to `own` that is not BentoML's."""

    def __init__(self, app: ASGIApp, own: ASGIApp) -> None:
        self._bentoml = app
        self._own = own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        is_own = scope["type"] == "http" and path not in _OF_BENTOML
        if is_own and not path.startswith(_STATIC):
            await self._own(scope, receive, send)
        else:
            await self._bentoml(scope, receive, send)


def docs_page() -> HTMLResponse:
    """Return the OpenAPI page."""
    return HTMLResponse(_PAGE)
