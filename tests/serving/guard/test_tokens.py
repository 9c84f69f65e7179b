import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipelines.contracts import Role
from serving.guard.refusals import InvalidTokenError, UnauthorizedError
from serving.guard.tokens import roles_of
from tests.serving.guard.conftest import Door, Issuer, new_key


def part(content: Any) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_takes_each_asymmetric_algorithm(issuer: Issuer, door: Door, algorithm: str) -> None:
    issuer.add("other", algorithm)
    door.keys.look()

    caller = door.ask(issuer.token("other", roles=["admin", "predict", "of somebody else"]))

    assert caller.roles == {Role.ADMIN, Role.PREDICT}
    assert caller.pseudonym == door.ask(issuer.token("one")).pseudonym
    assert caller.pseudonym != door.ask(issuer.token("one", sub="bob")).pseudonym
    assert "ann" not in caller.pseudonym


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"exp": -60}, "expired"),
        ({"nbf": 120}, "not valid yet"),
        ({"iat": 120}, "not valid yet"),
        ({"aud": "another"}, "another audience"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"exp": None}, "lacks one of"),
        ({"iat": None}, "lacks one of"),
        ({"aud": None}, "lacks one of"),
        ({"iss": None}, "lacks one of"),
        ({"sub": None}, "lacks one of"),
        ({"sub": ""}, "names nobody"),
    ],
)
def test_claims_that_are_not_taken(
    issuer: Issuer, door: Door, claims: dict[str, Any], said: str
) -> None:
    # Moments are seconds from now: tests may be collected long before they run.
    now = int(time.time())
    claims = {name: now + one if isinstance(one, int) else one for name, one in claims.items()}
    with pytest.raises(InvalidTokenError, match=said):
        door.ask(issuer.token(**claims))


def test_clocks_may_differ_by_half_a_minute(issuer: Issuer, door: Door) -> None:
    now = int(time.time())
    for claims in ({"exp": now - 15}, {"nbf": now + 15}):
        assert door.ask(issuer.token(**claims)).roles == {Role.PREDICT}


def test_forged_signature(issuer: Issuer, door: Door) -> None:
    header, payload, signature = issuer.token().split(".")
    raised = part(issuer.claims(roles=["admin"]))
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    for forged in (f"{header}.{raised}.{signature}", f"{header}.{payload}.{flipped}"):
        with pytest.raises(InvalidTokenError, match="signature"):
            door.ask(forged)
    own_key = jwt.encode(issuer.claims(), new_key("ES256"), "ES256", {"kid": "one"})
    with pytest.raises(InvalidTokenError, match="signature"):
        door.ask(own_key)


@pytest.mark.parametrize("none", ["none", "None", "NONE", ""])
def test_unsigned(issuer: Issuer, door: Door, none: str) -> None:
    unsigned = f"{part({'alg': none, 'kid': 'one', 'typ': 'JWT'})}.{part(issuer.claims())}."
    with pytest.raises(InvalidTokenError, match="algorithm"):
        door.ask(unsigned)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_public_key_is_no_secret_to_sign_with(
    issuer: Issuer, door: Door, encoding: Encoding
) -> None:
    issuer.add("rsa", "RS256")
    door.keys.look()
    public = issuer.keys["rsa"][1].public_key()
    secret = public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{part({'alg': 'HS256', 'kid': 'rsa'})}.{part(issuer.claims())}"
    mac = hmac.digest(secret, signed.encode(), hashlib.sha256)

    with pytest.raises(InvalidTokenError, match="algorithm"):
        door.ask(f"{signed}.{part(mac)}")


def test_key_answers_for_its_own_algorithm_only(issuer: Issuer, door: Door) -> None:
    issuer.add("rsa", "RS256")
    door.keys.look()
    other = jwt.encode(issuer.claims(), issuer.keys["rsa"][1], "PS256", {"kid": "rsa"})
    with pytest.raises(InvalidTokenError, match="algorithm"):
        door.ask(other)


def test_short_rsa_key_is_no_key(issuer: Issuer, door: Door) -> None:
    issuer.add("short", "RS256", rsa_bits=1_024)
    door.keys.look()
    with (
        pytest.warns(jwt.InsecureKeyLengthWarning),
        pytest.raises(InvalidTokenError, match="cannot be read"),
    ):
        door.ask(issuer.token("short"))


@pytest.mark.parametrize(
    "header",
    [{"kid": "two"}, {"kid": None}, {"kid": ["one"]}, {"kid": "../one"}, {"jku": "https://x"}],
)
def test_header_does_not_choose_the_key(issuer: Issuer, door: Door, header: dict[str, Any]) -> None:
    forger = new_key("ES256")
    token = f"{part({'alg': 'ES256', 'kid': 'one'} | header)}.{part(issuer.claims())}"
    signature = jwt.get_algorithm_by_name("ES256").sign(token.encode(), forger)
    with pytest.raises(InvalidTokenError):
        door.ask(f"{token}.{part(signature)}")


@pytest.mark.parametrize("token", [b"x", b"a.b.c", b"...", b"\xff\xfe", b"x" * 9_000, b"e30.e30."])
def test_what_is_no_token(door: Door, token: bytes) -> None:
    with pytest.raises(InvalidTokenError):
        door.ask(token)


@pytest.mark.parametrize(
    "values", [[], [b"Basic YTpi"], [b"Bearer"], [b"Bearer "], [b"Bearer a", b"Bearer b"]]
)
def test_requests_without_one_bearer_token(door: Door, values: list[bytes]) -> None:
    with pytest.raises(UnauthorizedError, match=r"no (bearer )?token"):
        door.ask_with([(b"authorization", value) for value in values])


def test_known_token_is_not_verified_again_until_it_expires(
    issuer: Issuer, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []
    decode = jwt.decode
    monkeypatch.setattr(jwt, "decode", lambda *a, **k: verified.append(a[0]) or decode(*a, **k))
    token = issuer.token()

    assert door.ask(token) == door.ask(token)
    assert verified == [token.encode()]
    expired = issuer.token(exp=int(time.time()) - 5)  # let through, but not remembered
    door.ask(expired)
    door.ask(expired)
    assert verified == [token.encode(), expired.encode(), expired.encode()]


@pytest.mark.parametrize(
    ("claims", "name", "roles"),
    [
        ({"roles": ["predict", "x"]}, "roles", {Role.PREDICT}),
        ({"scope": "openid predict admin"}, "scope", {Role.PREDICT, Role.ADMIN}),
        ({"realm_access": {"roles": ["feedback"]}}, "realm_access.roles", {Role.FEEDBACK}),
        ({"https://a.example/roles": ["admin"]}, "https://a.example/roles", {Role.ADMIN}),
        ({"roles": {"predict": True}}, "roles", set()),
        ({"roles": [["predict"], 1, None]}, "roles", set()),
        ({"realm_access": "predict"}, "realm_access.roles", set()),
        ({}, "roles", set()),
    ],
)
def test_roles_of_a_claim(claims: dict[str, Any], name: str, roles: set[Role]) -> None:
    assert roles_of(claims, name) == roles
