"""Tokens for the service, signed by the development issuer."""

import time
from collections.abc import Iterable
from typing import Final

import jwt

from pipelines.contracts import Role
from pipelines.errors import PlatformError
from pipelines.platform.issuer import ALGORITHM, LONGEST_LIFE_MINUTES, ensure_issuer
from pipelines.settings import Settings

MINUTES: Final = 60


def issue_token(
    settings: Settings, roles: Iterable[Role], subject: str, *, minutes: int = MINUTES
) -> str:
    """Sign a token (RFC 7519, RFC 9068) that the service takes, valid from now on for `minutes`.

    Raises:
        PlatformError: the platform signs no tokens, its keys cannot be read, or the token would
            live longer than a rotated key is kept.
    """
    if not 0 < minutes <= LONGEST_LIFE_MINUTES:
        raise PlatformError(
            f"A token lives 1 to {LONGEST_LIFE_MINUTES} minutes, not {minutes}: ask for a new one "
            "when it has expired."
        )
    key, now = ensure_issuer(settings)[0], int(time.time())
    claims = {
        "iss": settings.issuer,
        "aud": settings.auth_audience,
        "sub": subject,
        "iat": now,
        "nbf": now,
        "exp": now + minutes * 60,
        settings.auth_roles_claim: sorted(set(roles)),
    }
    return jwt.encode(claims, key.private, ALGORITHM, headers={"kid": key.kid, "typ": "at+jwt"})


def bearer(settings: Settings, roles: Iterable[Role], subject: str) -> dict[str, str]:
    """Return the header by which a program of the platform itself may ask the service.

    Raises:
        PlatformError: as `issue_token`.
    """
    return {"Authorization": f"Bearer {issue_token(settings, roles, subject)}"}
