"""The public keys of the issuer (JWKS, RFC 7517): cached, renewed, kept while it is away."""

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import httpx
from jwt import PyJWK, PyJWTError

logger = logging.getLogger(__name__)

# Asymmetric ones only: a service that verifies must not be able to sign.
ALGORITHMS: Final = frozenset({"RS256", "ES256", "EdDSA"})

_TIMEOUT_S: Final = 3.0


class IssuerKeys:
    """Find the key that signed a token.

    `look` reads all keys again, called every minute by a poller. A key id that is not known has
    them read at once, but not more often than every `refetch_s`: anybody can send a made-up one.
    """

    def __init__(self, url: str, *, refetch_s: float = 10.0) -> None:
        self.current: Mapping[str, PyJWK] = {}
        self.missing: str | None = f"the keys of tokens have not been read yet from {url}"
        self._url = url
        self._http = httpx.Client(timeout=_TIMEOUT_S) if url.startswith("http") else None
        self._content = b""
        self._refetch_s = refetch_s
        self._refetched_at = -refetch_s
        self._refetching: asyncio.Future[None] | None = None

    def look(self) -> None:
        """Read the keys; those known stay where that does not succeed."""
        try:
            content = self._fetch()
            if content != self._content:
                self.current = usable_keys(json.loads(content))
                self._content = content
        except (httpx.HTTPError, OSError, ValueError) as err:
            missing = f"the keys of tokens cannot be read from {self._url}: {err}"
            if missing != self.missing:
                logger.warning("%s; the %d known go on", missing, len(self.current))
            self.missing = missing
        else:
            self.missing = None if self.current else f"{self._url} holds no key that can be used"

    async def find(self, kid: str) -> PyJWK | None:
        """Return a key by its id, reading them again if it is not among those known."""
        if kid not in self.current:
            now = time.monotonic()
            if now - self._refetched_at >= self._refetch_s:
                self._refetched_at = now
                self._refetching = asyncio.ensure_future(asyncio.to_thread(self.look))
            if self._refetching is not None:
                # Whoever asks meanwhile waits for the same reading.
                await asyncio.shield(self._refetching)
        return self.current.get(kid)

    def close(self) -> None:
        """Close the connection to the issuer."""
        if self._http is not None:
            self._http.close()

    def _fetch(self) -> bytes:
        if self._http is None:
            return Path(unquote(urlsplit(self._url).path)).read_bytes()
        return self._http.get(self._url).raise_for_status().content


def usable_keys(document: Any) -> dict[str, PyJWK]:
    """Return the keys of a JWKS by their ids, without those for other uses and algorithms.

    Raises:
        ValueError: this is no JWKS.
    """
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError('no JWKS: a JSON object with a list "keys" is wanted')  # noqa: TRY004
    found: dict[str, PyJWK] = {}
    for each in document["keys"]:
        try:
            key = PyJWK(each)
        except (PyJWTError, AttributeError, TypeError):
            continue  # of a kind nobody here can use; others may
        is_for_us = key.algorithm_name in ALGORITHMS and key.public_key_use in (None, "sig")
        if is_for_us and isinstance(key.key_id, str):
            found[key.key_id] = key
    return found
