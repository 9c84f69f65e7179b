"""The guard before the app: who asks, may they, how often, how much, how long; and the record."""

from typing import TYPE_CHECKING, cast

from starlette.types import ASGIApp, Receive, Scope, Send

from pipelines.contracts import Role
from serving.guard.access import OPEN, roles_for
from serving.guard.exchange import Exchange, too_large
from serving.guard.refusals import ForbiddenError, RefusedError, TooManyRequestsError
from serving.guard.tokens import Caller

if TYPE_CHECKING:
    from serving.guard.parts import Guard


class GuardMiddleware:
    """ASGI middleware: let a request through to the app that may come, or say why not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guard = cast("Guard", scope["app"].state.runtime.guard)
        exchange = Exchange(scope, receive, send, guard.max_request_bytes)
        timer = exchange.time_out(guard.request_timeout_s)
        try:
            await _admit(guard, exchange)
            await self._app(scope, exchange.receive, exchange.send)
        except RefusedError as err:
            await exchange.refuse(err)
        finally:
            timer.cancel()
            await exchange.settle()
            if exchange.caller is not None:
                guard.audit.add([exchange.audit_entry(exchange.caller)])


async def _admit(guard: "Guard", exchange: Exchange) -> None:
    """Let a request in.

    Raises:
        RefusedError: one class for each reason not to.
    """
    roles = roles_for(exchange.scope)
    if roles is not OPEN:
        caller = exchange.caller = await guard.tokens.caller(exchange.scope)
        exchange.scope.setdefault("state", {})["caller"] = caller  # request.state.caller
        _require_role(caller, roles, exchange.scope)
        verdict = exchange.verdict = guard.rates.ask(caller.pseudonym)
        if not verdict.is_allowed:
            raise TooManyRequestsError(
                f"A client may ask {verdict.limit_count} times in a minute; "
                f"ask again in {verdict.reset_s} s.",
                retry_after_s=verdict.reset_s,
            )
    if _announced_bytes(exchange.scope) > guard.max_request_bytes:
        raise too_large(guard.max_request_bytes)


def _require_role(caller: Caller, roles: frozenset[Role] | None, scope: Scope) -> None:
    operation = f"{scope['method']} {scope['path']}"
    if roles is None:
        raise ForbiddenError(f"{operation} is in no rule of access, so nobody may ask it.")
    if caller.roles.isdisjoint(roles):
        wanted = sorted(roles)
        raise ForbiddenError(
            f"{operation} needs the role {' or '.join(wanted)}, which the token does not carry.",
            needs_one_of=wanted,
        )


def _announced_bytes(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)  # the server has refused anything but digits
    return 0
