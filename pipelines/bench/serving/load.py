"""Ask a server over loopback, as fast as it answers, and keep how long each answer took.

One connection is a socket of this process: the latencies are exact, p99.9 among them. Several are
wrk's (Debian's package `wrk`), which costs the two cores far less than a client in Python would.
Both send the same bytes, the requests in turn.
"""

import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Final, Self

import numpy as np

from pipelines.errors import BenchmarkError

_SCRIPT: Final = Path(__file__).with_name("load.lua")
_TIMEOUT_S: Final = 30.0
_PIECE: Final = 2**16
_LEAST_ERROR: Final = 400
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_CLOSES: Final = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)
_PERCENTILES: Final = (50.0, 95.0, 99.0, 99.9)


@dataclass(frozen=True)
class Target:
    """A server on this machine, and what it is asked, in turn."""

    port: int
    requests: Sequence[bytes]


@dataclass(frozen=True)
class Load:
    """What one measurement gave; latencies in milliseconds, errors are answers above 399."""

    count: int
    seconds: float
    error_count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    p999_ms: float

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.count / self.seconds

    @classmethod
    def of(cls, latencies_ms: Sequence[float], seconds: float, error_count: int) -> Self:
        """Take the percentiles of latencies."""
        found = np.percentile(np.asarray(latencies_ms), _PERCENTILES).tolist()
        return cls(len(latencies_ms), seconds, error_count, *found)


def http_request(method: str, path: str, body: bytes = b"", authorization: str = "") -> bytes:
    """Return a request as HTTP/1.1 has it, on a connection that stays open."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(body)}"]
    if body:
        lines.append("content-type: application/json")
    if authorization:
        lines.append(f"authorization: {authorization}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def load(target: Target, connections: int, seconds: float) -> Load:
    """Keep so many connections busy for so long.

    Raises:
        BenchmarkError: wrk is not installed, or the server does not answer.
    """
    if connections == 1:
        return _on_one(target, seconds)
    return _by_wrk(target, connections, max(1, round(seconds)))


def require_wrk() -> str:
    """Return where wrk is.

    Raises:
        BenchmarkError: it is not installed.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise BenchmarkError(
            "More than one connection is kept busy by wrk, which is not installed: install it "
            "(apt-get install wrk), or measure with --connections 1 --no-endpoints."
        )
    return wrk


class Connection:
    """One connection to a server, opened again when an answer says that it closes; a context."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = self._open()

    def _open(self) -> socket.socket:
        try:
            opened = socket.create_connection(("127.0.0.1", self._port), _TIMEOUT_S)
        except OSError as err:
            raise BenchmarkError(f"No server answers on port {self._port}: {err}.") from err
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; return the status and the body of the answer.

        Raises:
            BenchmarkError: the server hung up, or tells no length.
        """
        self._socket.sendall(request)
        answer = self._socket.recv(_PIECE)
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self._more()
        length = _LENGTH.search(answer, 0, end + 2)
        if length is None:
            raise BenchmarkError(f"An answer tells no length: {answer[:200]!r}.")
        while len(answer) < end + 4 + int(length[1]):
            answer += self._more()
        if _CLOSES.search(answer, 0, end + 2):
            self._socket.close()
            self._socket = self._open()
        return int(answer[9:12]), answer[end + 4 :]

    def _more(self) -> bytes:
        piece = self._socket.recv(_PIECE)
        if not piece:
            raise BenchmarkError("The server closed the connection within an answer.")
        return piece


def timed(
    target: Target, is_over: Callable[[float], bool], latencies_ms: "array[float]"
) -> tuple[float, int]:
    """Ask on one connection until it is over; return the seconds and the count of errors.

    Args:
        target: whom.
        is_over: told the seconds so far, before each question.
        latencies_ms: is added to.
    """
    error_count = 0
    with Connection(target.port) as connection:
        begun = time.perf_counter()
        for request in cycle(target.requests):
            if is_over(time.perf_counter() - begun):
                break
            asked = time.perf_counter()
            status, _ = connection.ask(request)
            latencies_ms.append((time.perf_counter() - asked) * 1_000)
            error_count += status >= _LEAST_ERROR
        return time.perf_counter() - begun, error_count


def _on_one(target: Target, seconds: float) -> Load:
    latencies_ms = array("d")
    took_s, error_count = timed(target, lambda so_far_s: so_far_s >= seconds, latencies_ms)
    return Load.of(latencies_ms, took_s, error_count)


def _by_wrk(target: Target, connections: int, seconds: int) -> Load:
    wrk = require_wrk()
    # The requests carry a token: a file for this user alone, not the command line.
    with tempfile.NamedTemporaryFile(prefix="workcast-load-") as file:
        for request in target.requests:
            file.write(b"%d\n%b" % (len(request), request))
        file.flush()
        done = subprocess.run(  # noqa: S603
            [
                *(wrk, "--threads", "1", "--connections", str(connections)),
                *("--duration", f"{seconds}s", "--timeout", f"{_TIMEOUT_S:.0f}s"),
                *("--script", str(_SCRIPT), f"http://127.0.0.1:{target.port}", "--", file.name),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    _, found, line = done.stdout.rpartition("workcast-load ")
    if done.returncode or not found:
        raise BenchmarkError(f"wrk failed: {(done.stderr or done.stdout).strip()}")
    figures = json.loads(line)
    if figures["socket_error_count"]:
        raise BenchmarkError(f"{figures['socket_error_count']} requests of wrk got no answer.")
    return Load(**{name: figures[name] for name in Load.__dataclass_fields__})
