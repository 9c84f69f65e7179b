"""What the OpenAPI page says of tokens, roles and limits."""

from http import HTTPStatus
from typing import Any, Final

from pipelines.contracts import Role
from serving.guard.access import ACCESS, OPEN
from serving.problems import PROBLEM_CONTENT

_SCHEME: Final = "token"
_REFUSALS: Final = {
    HTTPStatus.UNAUTHORIZED: "There is no token, or none that is valid.",
    HTTPStatus.FORBIDDEN: "The token does not carry a role that this needs.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large.",
    HTTPStatus.TOO_MANY_REQUESTS: "The client has asked too often; Retry-After says how long "
    "to wait.",
    HTTPStatus.GATEWAY_TIMEOUT: "There was no answer in time.",
}
_RESPONSES: Final = {
    str(int(status)): {
        "description": meaning,
        "content": PROBLEM_CONTENT,
    }
    for status, meaning in _REFUSALS.items()
}


def with_security(openapi: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI document with the scheme of tokens, and each operation's roles."""
    scheme = {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of the issuer. In development: `workcast token --role predict`.",
    }
    components = {**openapi["components"], "securitySchemes": {_SCHEME: scheme}}
    paths = {
        path: {
            method: _guarded(operation, ACCESS.get((method.upper(), path), OPEN))
            for method, operation in operations.items()
        }
        for path, operations in openapi["paths"].items()
    }
    return {**openapi, "components": components, "paths": paths}


def _guarded(operation: dict[str, Any], roles: frozenset[Role]) -> dict[str, Any]:
    if roles is OPEN:
        return operation
    return {
        **operation,
        "security": [{_SCHEME: [role.value]} for role in sorted(roles)],  # one of them will do
        "responses": {**operation["responses"], **_RESPONSES},
    }
