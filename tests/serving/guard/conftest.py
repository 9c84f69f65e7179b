"""An issuer in memory: keys of every kind, their JWKS, and tokens with any fault."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as rsa_key
from jwt.algorithms import get_default_algorithms

from pipelines.monitoring.pseudonym import Pseudonyms
from pipelines.settings import Settings
from serving.guard.keys import IssuerKeys
from serving.guard.tokens import Caller, Tokens

ISSUER = "https://issuer.example"


def new_key(algorithm: str, rsa_bits: int = 2_048) -> Any:
    if algorithm.startswith(("RS", "PS")):
        return rsa_key(65_537, rsa_bits)
    return ec_key(SECP256R1()) if algorithm == "ES256" else Ed25519PrivateKey.generate()


@dataclass
class Issuer:
    """Who signs, and what the service knows of it."""

    jwks: Path
    keys: dict[str, tuple[str, Any]] = field(default_factory=dict)  # kid: algorithm, key

    def add(self, kid: str, algorithm: str = "ES256", **key: Any) -> None:
        self.keys[kid] = (algorithm, new_key(algorithm, **key))
        self.publish()

    def publish(self) -> None:
        documents = [
            {
                **get_default_algorithms()[algorithm].to_jwk(key.public_key(), as_dict=True),
                "kid": kid,
                "alg": algorithm,
            }
            for kid, (algorithm, key) in self.keys.items()
        ]
        self.jwks.write_text(json.dumps({"keys": documents}))

    def token(self, kid: str = "one", header: Any = None, **claims: Any) -> str:
        algorithm, key = self.keys[kid]
        return jwt.encode(self.claims(**claims), key, algorithm, {"kid": kid, **(header or {})})

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": "workcast",
            "sub": "ann",
            "iat": now,
            "exp": now + 300,
            "roles": ["predict"],
        } | changes
        return {name: value for name, value in claims.items() if value is not None}


@dataclass
class Door:
    """The verifying side."""

    keys: IssuerKeys
    tokens: Tokens

    def ask(self, token: str | bytes) -> Caller:
        token = token.encode() if isinstance(token, str) else token
        return self.ask_with([(b"authorization", b"Bearer " + token)])

    def ask_with(self, headers: list[tuple[bytes, bytes]]) -> Caller:
        return asyncio.run(self.tokens.caller({"type": "http", "headers": headers}))


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    made = Issuer(tmp_path / "jwks.json")
    made.add("one")
    return made


def open_door(issuer: Issuer, refetch_s: float = 0, **settings: Any) -> Door:
    fields = {"auth_issuer": ISSUER, "auth_jwks_url": issuer.jwks.as_uri()} | settings
    keys = IssuerKeys(issuer.jwks.as_uri(), refetch_s=refetch_s)
    keys.look()
    read = Settings(_env_file=None, **fields)
    return Door(keys, Tokens(read, keys, Pseudonyms(b"a key of the tests")))


@pytest.fixture
def door(issuer: Issuer) -> Door:
    return open_door(issuer)
