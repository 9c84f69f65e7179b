"""The problems by which the guard refuses a request (RFC 9457)."""

from http import HTTPStatus

from fastapi.responses import JSONResponse

from serving.problems import ProblemError, problem


class RefusedError(ProblemError):
    """A request that does not reach the app."""

    reason: str  # as metrics count it

    @property
    def headers(self) -> dict[str, str]:
        """What the response says beside the problem."""
        return {}


class UnauthorizedError(RefusedError):
    """Nobody knows who asks (RFC 6750, 3)."""

    status = HTTPStatus.UNAUTHORIZED
    kind = "unauthorized"
    title = "No valid token"
    reason = "unauthorized"

    @property
    def headers(self) -> dict[str, str]:
        """Say how to authenticate, and what was wrong with the token where there was one."""
        return {"WWW-Authenticate": f'Bearer realm="workcast"{self._fault}'}

    @property
    def _fault(self) -> str:
        return ""


class InvalidTokenError(UnauthorizedError):
    """A token came that is not taken."""

    @property
    def _fault(self) -> str:
        return f', error="invalid_token", error_description="{self.detail}"'


class ForbiddenError(RefusedError):
    """The caller is known and may not do this."""

    status = HTTPStatus.FORBIDDEN
    kind = "forbidden"
    title = "Role missing"
    reason = "forbidden"

    @property
    def headers(self) -> dict[str, str]:
        """Say which roles would do."""
        scope = " ".join(self.members.get("needs_one_of", ()))
        return {
            "WWW-Authenticate": f'Bearer realm="workcast", error="insufficient_scope", '
            f'scope="{scope}"'
        }


class TooManyRequestsError(RefusedError):
    """The caller has asked more often than it may."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    kind = "too-many-requests"
    title = "Too many requests"
    reason = "too_many_requests"

    @property
    def headers(self) -> dict[str, str]:
        """Say when the next request will be let through."""
        return {"Retry-After": str(self.members["retry_after_s"])}


class TooLargeError(RefusedError):
    """The body is longer than any question needs."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    kind = "body-too-large"
    title = "Body too large"
    reason = "too_large"

    @property
    def headers(self) -> dict[str, str]:
        """End the connection: the rest of the body need not come."""
        return {"Connection": "close"}


class TimedOutError(RefusedError):
    """The answer, or the body of the request, took too long."""

    status = HTTPStatus.GATEWAY_TIMEOUT
    kind = "timed-out"
    title = "Timed out"
    reason = "timed_out"

    @property
    def headers(self) -> dict[str, str]:
        """End the connection: a body may still be on its way."""
        return {"Connection": "close", "Retry-After": "5"}


def refusal(error: RefusedError) -> JSONResponse:
    """Turn a refusal into its response."""
    response = problem(error)
    response.headers.update(error.headers)
    return response
