"""Who may do what: the one table of operations and roles."""

from collections.abc import Mapping
from typing import Final

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from pipelines.contracts import REGISTRY_EVENTS_PATH, Role

Operation = tuple[str, str]  # method, path

# Open to all: whether the service lives and what it offers says nothing about anybody's work.
# BentoML answers /livez, /healthz, /metrics and /static_content itself, before the guard: a probe
# and Prometheus carry no token. /metrics counts requests and models, and names no workflow and no
# caller; the service listens on loopback unless told otherwise, so keep it off a public proxy.
OPEN: Final[frozenset[Role]] = frozenset()

_PREDICT: Final = frozenset({Role.PREDICT})
_READ: Final = frozenset({Role.PREDICT, Role.ADMIN})

# A caller needs one of the roles. What is not listed is refused to everybody.
ACCESS: Final[Mapping[Operation, frozenset[Role]]] = {
    ("POST", "/predict_duration"): _PREDICT,
    ("POST", "/assess_risk"): _PREDICT,
    ("POST", "/recommend_assignees"): _PREDICT,
    ("POST", "/recommend_allocation"): _PREDICT,
    ("POST", "/suggest_templates"): _PREDICT,
    ("POST", "/feedback"): frozenset({Role.FEEDBACK}),
    ("GET", "/alerts"): _READ,
    ("POST", "/acknowledge_alert"): frozenset({Role.FEEDBACK}),
    ("GET", "/models"): _READ,
    ("GET", "/readyz"): OPEN,
    ("GET", "/docs"): OPEN,
    ("GET", "/docs.json"): OPEN,
    ("GET", "/openapi.json"): OPEN,
    ("GET", "/"): OPEN,
    # The registry has no token: it signs its events instead.
    ("POST", REGISTRY_EVENTS_PATH): OPEN,
}


def roles_for(scope: Scope) -> frozenset[Role] | None:
    """Return the roles one of which a request needs; None where nobody may ask.

    What the app has no route for is open: it answers such a request with 404 or 405.
    """
    operation = (scope["method"], scope["path"])
    if (roles := ACCESS.get(operation)) is not None:
        return roles
    route = _route(scope)
    return OPEN if route is None else ACCESS.get((scope["method"], getattr(route, "path", "")))


def _route(scope: Scope) -> BaseRoute | None:
    routes: list[BaseRoute] = scope["app"].routes
    return next((route for route in routes if route.matches(scope)[0] is Match.FULL), None)
