"""Two workers of a real server share connections, whoever accepted them."""

import http.client
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.integration.serving_stack import Process, free_port, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

_CONNECTIONS = 24
_FEWEST = 8  # of a worker, once they are shared


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    port = free_port()
    server = Process(
        [
            *(sys.executable, "-m", "bentoml", "serve", "tests.integration.two_workers:TwoWorkers"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        {
            "BENTOML_HOME": str(tmp_path / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "true",
            "WORKER_LOADS": str(tmp_path / "worker-loads"),
        },
        tmp_path / "service.log",
    )
    server.start()
    try:
        yield port
    finally:
        server.stop(signal.SIGKILL)


def ask(connection: http.client.HTTPConnection) -> int:
    """Return the process that answers; a connection that was closed is opened again."""
    connection.request("GET", "/who")
    answer = connection.getresponse()
    assert answer.status == 200
    return int(answer.read())


def both(port: int) -> list[int]:
    """Return the workers, once each has answered; each request has a connection of its own."""
    found = {int(httpx.get(f"http://127.0.0.1:{port}/who").text) for _ in range(20)}
    return sorted(found) if len(found) == 2 else []


def test_connections_that_one_worker_accepted_come_to_be_shared(port: int) -> None:
    stopped, other = until(lambda: both(port), 120)
    connections = [http.client.HTTPConnection("127.0.0.1", port, 60) for _ in range(_CONNECTIONS)]
    psutil.Process(stopped).suspend()
    try:
        assert {ask(one) for one in connections} == {other}
    finally:
        psutil.Process(stopped).resume()
    with ThreadPoolExecutor(_CONNECTIONS) as pool:

        def are_shared() -> bool:
            for _ in range(20):  # for a moment all are busy, as under load
                answerers = Counter(pool.map(ask, connections))
            return min(answerers[stopped], answerers[other]) >= _FEWEST

        until(are_shared, 30)
    for one in connections:
        one.close()
