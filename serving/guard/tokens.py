"""Who asks: bearer tokens (RFC 6750, RFC 7519), verified once and remembered."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cachetools import TLRUCache
from starlette.types import Scope

from pipelines.contracts import Role
from pipelines.monitoring.pseudonym import Pseudonyms
from pipelines.settings import Settings
from serving.guard.keys import IssuerKeys
from serving.guard.refusals import InvalidTokenError, UnauthorizedError

_LEEWAY_S: Final = 30  # clocks differ
_LONGEST_TOKEN: Final = 8_192
_REMEMBERED: Final = 10_000
_ROLES: Final = frozenset(Role)

# Said in words of our own: a library's may repeat what the token holds.
_FAULTS: Final[Mapping[type[jwt.PyJWTError], str]] = {
    jwt.ExpiredSignatureError: "The token has expired",
    jwt.ImmatureSignatureError: "The token is not valid yet",
    jwt.InvalidIssuedAtError: "The token was issued at no time",
    jwt.InvalidAudienceError: "The token is for another audience",
    jwt.InvalidIssuerError: "The token is of another issuer",
    jwt.InvalidSignatureError: "The signature of the token is wrong",
    jwt.InvalidAlgorithmError: "The algorithm of the token is not its key's",
    jwt.MissingRequiredClaimError: "The token lacks one of exp, iat, iss, aud, sub",
}
_HOW: Final = "Send 'Authorization: Bearer TOKEN'; `workcast token` makes one in development."


@dataclass(frozen=True)
class Caller:
    """Who a token names, as far as the service wants to know."""

    pseudonym: str
    roles: frozenset[Role]
    expires_at: float  # seconds since 1970


class Tokens:
    """Tell the caller by the token; a token seen before costs a look into memory."""

    def __init__(self, settings: Settings, keys: IssuerKeys, pseudonyms: Pseudonyms) -> None:
        self._settings = settings
        self._keys = keys
        self._pseudonyms = pseudonyms
        # By hash, so that no token lies about in memory; until it expires.
        self._known: TLRUCache[bytes, Caller] = TLRUCache(
            _REMEMBERED, ttu=lambda _digest, caller, _now: caller.expires_at, timer=time.time
        )
        self._known_under = keys.current

    async def caller(self, scope: Scope) -> Caller:
        """Return who asks.

        Raises:
            UnauthorizedError: there is no token, or none that is taken.
        """
        token = _bearer(scope)
        if self._keys.current is not self._known_under:  # a key may have been revoked
            self._known.clear()
            self._known_under = self._keys.current
        digest = hashlib.sha256(token).digest()
        caller: Caller | None = self._known.get(digest)
        if caller is None:
            caller = self._known[digest] = await self._verified(token)
        return caller

    async def _verified(self, token: bytes) -> Caller:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = await self._keys.find(kid) if isinstance(kid, str) else None
            if key is None:
                raise InvalidTokenError("The token is signed by no key of the issuer")
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],  # the key's, never the token's choice
                issuer=self._settings.issuer,
                audience=self._settings.auth_audience,
                leeway=_LEEWAY_S,
                options={
                    "require": ["exp", "iat", "iss", "aud", "sub"],
                    "enforce_minimum_key_length": True,
                },
            )
        except jwt.PyJWTError as err:
            raise InvalidTokenError(_FAULTS.get(type(err), "The token cannot be read")) from None
        if not claims["sub"]:
            raise InvalidTokenError("The token names nobody: its sub is empty")
        return Caller(
            self._pseudonyms.of(claims["sub"]),
            roles_of(claims, self._settings.auth_roles_claim),
            float(claims["exp"]),
        )


def roles_of(claims: Mapping[str, Any], name: str) -> frozenset[Role]:
    """Return the roles of a claim, a list or a text with spaces; those of others are left out.

    `name` is the claim's whole name, or the dotted way to it.
    """
    value: Any = claims.get(name)
    if value is None:
        value = claims
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        value = value.split()
    named = {each for each in value if isinstance(each, str)} if isinstance(value, list) else set()
    return frozenset(role for role in _ROLES if role.value in named)


def _bearer(scope: Scope) -> bytes:
    values: list[bytes] = [value for name, value in scope["headers"] if name == b"authorization"]
    if not values:
        raise UnauthorizedError(f"There is no token. {_HOW}")
    scheme, _, token = values[0].partition(b" ")
    token = token.strip()
    if len(values) > 1 or scheme.lower() != b"bearer" or not token:
        raise UnauthorizedError(f"There is no bearer token. {_HOW}")
    if len(token) > _LONGEST_TOKEN:
        raise InvalidTokenError(f"The token is longer than {_LONGEST_TOKEN} bytes")
    return token
