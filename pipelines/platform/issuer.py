"""The development issuer: signs tokens for the service where no identity provider does.

Its keys lie in the home. The newest signs; the public halves of all are what the service reads.
A key that was rotated out goes on verifying as long as a token signed by it may live.
"""

import base64
import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from filelock import FileLock
from jwt.algorithms import ECAlgorithm

from pipelines.errors import PlatformError
from pipelines.platform.credentials import write_private
from pipelines.settings import Settings

ALGORITHM: Final = "ES256"
LONGEST_LIFE_MINUTES: Final = 24 * 60


@dataclass(frozen=True)
class SigningKey:
    """One private key as a JWK (RFC 7517); `repr` shows none of it."""

    jwk: dict[str, str]
    made_at: float  # seconds since 1970

    def __repr__(self) -> str:
        return f"SigningKey({self.kid})"

    @property
    def kid(self) -> str:
        """Key id."""
        return self.jwk["kid"]

    @property
    def private(self) -> EllipticCurvePrivateKey:
        """The key to sign with."""
        key = ECAlgorithm.from_jwk(self.jwk)
        assert isinstance(key, EllipticCurvePrivateKey)  # noqa: S101 - has its private part
        return key

    @property
    def public(self) -> dict[str, str]:
        """The JWK without its private part."""
        return {name: value for name, value in self.jwk.items() if name != "d"}


def ensure_issuer(settings: Settings) -> list[SigningKey]:
    """Return the keys, newest first; make the first one where there is none.

    Raises:
        PlatformError: an identity provider is set, or the file of the keys is damaged.
    """
    return _keys(settings, make_new=False, revoke=False)


def rotate_issuer(settings: Settings, *, revoke: bool = False) -> SigningKey:
    """Sign with a new key from now on; with `revoke` no older token is valid any more.

    Raises:
        PlatformError: an identity provider is set, or the file of the keys is damaged.
    """
    return _keys(settings, make_new=True, revoke=revoke)[0]


def _keys(settings: Settings, *, make_new: bool, revoke: bool) -> list[SigningKey]:
    if not settings.is_own_issuer:
        raise PlatformError(
            f"Tokens come from {settings.auth_issuer or 'an identity provider'}: this platform "
            "signs none of its own in production or where WORKCAST_AUTH_ISSUER is set."
        )
    folder = settings.issuer_dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The file is replaced whole, so who only reads needs no lock, and no right to write here.
    if not make_new and (known := _read(folder / "private.json")):
        return known
    with FileLock(folder / "lock"):
        known = _read(folder / "private.json")
        if known and not make_new:
            return known
        newest = _new_key()
        # A key's last token was signed just before the next key was made.
        made_next_at = [newest.made_at, *(key.made_at for key in known)]
        oldest_use = newest.made_at - LONGEST_LIFE_MINUTES * 60
        kept = [
            key
            for key, last_use in zip(known, made_next_at, strict=False)
            if last_use > oldest_use and not revoke
        ]
        keys = [newest, *kept]
        write_private(folder / "private.json", json.dumps([asdict(key) for key in keys], indent=1))
        # Public, but whoever can write it can let anybody in: the owner's alone as well.
        write_private(
            folder / "jwks.json", json.dumps({"keys": [key.public for key in keys]}, indent=1)
        )
        return keys


def _read(path: Path) -> list[SigningKey]:
    try:
        return [SigningKey(**key) for key in json.loads(path.read_text())]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, OSError) as err:
        raise PlatformError(
            f"{path} cannot be read ({type(err).__name__}): restore it, or remove it to have a "
            "new key made; tokens issued so far are refused then."
        ) from err


def _new_key() -> SigningKey:
    key: dict[str, Any] = ECAlgorithm.to_jwk(generate_private_key(SECP256R1()), as_dict=True)
    # Its thumbprint (RFC 7638): a name that no other key can have.
    required = json.dumps({name: key[name] for name in ("crv", "kty", "x", "y")},
                          separators=(",", ":"))  # fmt: skip
    digest = hashlib.sha256(required.encode()).digest()
    kid = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return SigningKey({**key, "kid": kid, "alg": ALGORITHM, "use": "sig"}, time.time())
