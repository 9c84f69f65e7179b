"""The guard of the service as a process of its own: records, limits, what is away, TLS."""

import ipaddress
import signal
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from sqlalchemy import URL, Engine, create_engine, select, text
from sqlalchemy.exc import DBAPIError

from pipelines.contracts import Role
from pipelines.monitoring.pseudonym import open_pseudonyms
from pipelines.platform.issuer import rotate_issuer
from pipelines.platform.token import bearer
from pipelines.source.platform_tables import audit_log
from pipelines.store.valkey import Valkey, command
from tests.integration.serving_stack import Stack, make_stack, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

ONE = {"workflow_id": "nobody"}
LIMIT = 40


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-made certificate for loopback, and its key."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "workcast")])
    now = datetime.now(UTC)
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
        .sign(key, SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def stack(
    postgres_url: URL,
    postgres_admin: Engine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """The service alone: what the guard does needs no model."""
    name = f"guard_{uuid4().hex[:8]}"
    with postgres_admin.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE workcast_template'))
    database = create_engine(postgres_url.set(database=name))
    url = database.url.render_as_string(hide_password=False)
    made = make_stack(tmp_path_factory.mktemp("guard"), database, url)
    made.service.environment["WORKCAST_RATE_LIMIT_PER_MINUTE"] = str(LIMIT)
    made.service.start()
    try:
        until(lambda: made.get("/livez").status_code == 200)
        yield made
    finally:
        made.service.stop(signal.SIGKILL)
        made.valkey.stop()
        database.dispose()
        with postgres_admin.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))


def caller(stack: Stack, subject: str, *roles: Role) -> dict[str, str]:
    return bearer(stack.settings, roles or list(Role), subject)


def ask(stack: Stack, headers: dict[str, str]) -> httpx.Response:
    return httpx.post(f"{stack.url}/assess_risk", json=ONE, headers=headers, timeout=30)


def entries(stack: Stack, subject: str) -> list[Any]:
    actor = open_pseudonyms(stack.settings).of(subject)
    with stack.database.connect() as connection:
        query = select(audit_log).where(audit_log.c.actor == actor)
        return list(connection.execute(query.order_by(audit_log.c.happened_at)))


def test_every_request_is_on_record_under_a_pseudonym(stack: Stack) -> None:
    ann, bob = (caller(stack, name, Role.PREDICT) for name in ("ann@example.org", "bob"))
    # No features yet: the app answers 503; the record does not care.
    assert [ask(stack, ann).status_code for _ in range(12)] == [503] * 12
    refused = httpx.post(f"{stack.url}/feedback", json={}, headers=bob)
    assert refused.status_code in {403, 404}
    assert httpx.get(f"{stack.url}/models", headers=bob).status_code == 200
    until(lambda: len(entries(stack, "ann@example.org")) == 12 and entries(stack, "bob"), 20)

    first = entries(stack, "ann@example.org")[0]
    assert (first.action, first.subject) == ("POST /assess_risk", "")
    assert first.details["roles"] == ["predict"]
    assert first.details["status"] == 503
    with stack.database.connect() as connection:
        everything = str(list(connection.execute(select(audit_log))))
    assert "ann@" not in everything
    told = stack.service.log.read_text() + everything
    for headers in (ann, bob):
        for part in headers["Authorization"].removeprefix("Bearer ").split("."):
            assert part not in told


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE workcast.audit_log SET actor = 'nobody'",
        "DELETE FROM workcast.audit_log",
        "TRUNCATE workcast.audit_log",
    ],
)
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_record_cannot_be_changed(stack: Stack, statement: str, role: str) -> None:
    ask(stack, caller(stack, "carol"))
    until(lambda: entries(stack, "carol"), 20)
    with stack.database.connect() as connection:
        connection.execute(text(f"SET session_replication_role = {role}"))
        with pytest.raises(DBAPIError, match="append-only"):
            connection.execute(text(statement))
    assert entries(stack, "carol")


def test_record_waits_for_a_database_that_is_away(stack: Stack) -> None:
    def rename(name: str, to: str) -> None:
        with stack.database.begin() as connection:
            connection.execute(text(f"ALTER TABLE workcast.{name} RENAME TO {to}"))

    spill = stack.settings.home / "spill" / "audit"
    rename("audit_log", "hidden")
    try:
        for _ in range(5):
            ask(stack, caller(stack, "dora"))
        until(lambda: list(spill.glob("*.jsonl")), 20)
    finally:
        rename("hidden", "audit_log")
    until(lambda: len(entries(stack, "dora")) == 5, 20)
    until(lambda: list(spill.iterdir()) == [], 20)


def test_limit_of_each_client_is_kept_in_valkey(stack: Stack) -> None:
    eve, finn = caller(stack, "eve"), caller(stack, "finn")
    answers = [ask(stack, eve).status_code for _ in range(LIMIT + 3)]
    assert answers[:LIMIT] == [503] * LIMIT
    assert answers[LIMIT:] == [429] * 3
    assert ask(stack, finn).status_code == 503
    valkey = Valkey(stack.settings.valkey)

    def counted() -> int:
        (names,) = list(valkey.addresses(b"workcast:requests:*"))
        actor = open_pseudonyms(stack.settings).of("eve").encode()
        (found,) = valkey.ask([command(b"MGET", *(n for n in names if actor in n))])
        return sum(int(count) for count in found)

    until(lambda: counted() == LIMIT, 20)


def test_requests_go_on_without_valkey(stack: Stack) -> None:
    gina = caller(stack, "gina")
    stack.valkey.stop()
    try:
        answers = [ask(stack, gina) for _ in range(10)]
        assert {a.status_code for a in answers} == {503}  # no features either; but no refusal
        assert {a.elapsed.total_seconds() < 5 for a in answers} == {True}
        assert answers[-1].headers["ratelimit-remaining"] == str(LIMIT - 10)
        until(lambda: " 0.0" not in failures(stack), 20)
    finally:
        stack.valkey.start()


def failures(stack: Stack) -> str:
    lines = httpx.get(f"{stack.url}/metrics").text.splitlines()
    name = "workcast_rate_limit_failures_total"
    return next((line for line in lines if line.startswith(name)), " 0.0")


def test_keys_are_rotated_under_a_running_service(stack: Stack) -> None:
    old = caller(stack, "hugo", Role.PREDICT)
    assert httpx.get(f"{stack.url}/models", headers=old).status_code == 200
    rotate_issuer(stack.settings)
    new = caller(stack, "hugo", Role.PREDICT)
    until(lambda: httpx.get(f"{stack.url}/models", headers=new).status_code == 200, 30)
    assert httpx.get(f"{stack.url}/models", headers=old).status_code == 200


def test_endless_body_is_cut_off(stack: Stack) -> None:
    """The answer comes while the body is still on its way, and the connection ends."""
    host, port = "127.0.0.1", stack.settings.service_port
    authorization = caller(stack, "ida")["Authorization"]
    with socket.create_connection((host, port), timeout=30) as connection:
        connection.sendall(
            b"POST /assess_risk HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: application/json\r\nAuthorization: " + authorization.encode()
            + b"\r\n\r\n"
        )  # fmt: skip
        piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        sent = 0
        with pytest.raises(OSError):  # noqa: PT011, PT012 - reset or broken pipe
            while sent < 100 * 2**20:
                connection.sendall(piece)
                sent += len(piece)
        assert 2**20 <= sent < 100 * 2**20
    until(lambda: [e.details["status"] for e in entries(stack, "ida")] == [413], 20)


def test_headers_over_tls(stack: Stack, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = certificate
    stack.service.stop()
    plain = stack.service.command
    stack.service.command = [*plain, "--ssl-certfile", str(cert), "--ssl-keyfile", str(key)]
    stack.service.start()
    trusted = ssl.create_default_context(cafile=str(cert))
    url = stack.url.replace("http:", "https:")
    try:
        until(lambda: httpx.get(f"{url}/livez", verify=trusted).status_code == 200)
        answer = httpx.get(f"{url}/models", headers=caller(stack, "jo"), verify=trusted)
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/livez")  # nobody vouches for it elsewhere
    finally:
        stack.service.stop()
        stack.service.command = plain
        stack.service.start()
        until(lambda: stack.get("/livez").status_code == 200)
