"""The benchmark of the service: its parts one by one, and one tiny run with real servers."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.bench.serving import bounds, load
from pipelines.bench.serving.company import company, company_settings
from pipelines.bench.serving.load import Load, Target, http_request
from pipelines.bench.serving.measure import Comparison, Pair, Plan, compare
from pipelines.bench.serving.questions import CANDIDATES, DURATION, HITS
from pipelines.bench.serving.soak import Soak
from pipelines.bench.serving.workload import workload, write_workload
from pipelines.cli import app
from pipelines.errors import BenchmarkError
from pipelines.platform.processes import inherited_environment

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
_REFUSED = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nmore"


@contextmanager
def answering(*pieces: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers each request of every connection with the pieces, one a send.

    Where they say that the connection closes, it does.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        heard: list[bytes] = []

        def serve(connection: socket.socket) -> None:
            with connection, suppress(ConnectionResetError):  # wrk hangs up in the middle
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while request := connection.recv(65_536):
                    heard.append(request)
                    for piece in pieces:
                        connection.sendall(piece)
                    if b"Connection: close" in pieces[0]:
                        return

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                Thread(target=serve, args=(connection,), daemon=True).start()

        Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], heard
        server.shutdown(socket.SHUT_RDWR)


def _load(p50: float, p99: float = 9.0, count: int = 100) -> Load:
    return Load(count, 1.0, 0, p50, 5.0, p99, 10.0)


def test_an_answer_in_pieces_is_read_whole() -> None:
    asked = http_request("POST", "/x", b'{"a":1}', "Bearer t")
    with (
        answering(_OK[:20], _OK[20:-1], _OK[-1:]) as (port, heard),
        load.Connection(port) as connection,
    ):
        assert connection.ask(asked) == (200, b"{}")
        assert connection.ask(asked) == (200, b"{}")
    assert heard[0] == (
        b"POST /x HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 7\r\n"
        b'content-type: application/json\r\nauthorization: Bearer t\r\n\r\n{"a":1}'
    )


def test_a_connection_that_closes_is_opened_again() -> None:
    closing = _OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with answering(closing) as (port, heard), load.Connection(port) as connection:
        for _ in range(3):
            assert connection.ask(b"GET / HTTP/1.1\r\n\r\n") == (200, b"{}")
        assert len(heard) == 3


@pytest.mark.parametrize(
    "connections",
    [
        1,
        pytest.param(2, marks=pytest.mark.skipif(not shutil.which("wrk"), reason="needs wrk")),
    ],
)
def test_requests_are_sent_in_turn_and_problems_counted(connections: int) -> None:
    requests = [http_request("GET", f"/{number}") for number in range(3)]
    with answering(_REFUSED) as (port, heard):
        found = load.load(Target(port, requests), connections, 1)
    assert found.error_count == found.count > 10
    assert 0 < found.p50_ms <= found.p95_ms <= found.p99_ms <= found.p999_ms
    assert found.per_second == found.count / found.seconds
    assert {request.split()[1] for request in heard} == {b"/0", b"/1", b"/2"}


def test_rounds_change_who_is_first_and_problems_are_no_answers() -> None:
    plan = Plan((1,), (1,), rounds=2, seconds=0.05)
    told: list[tuple[str, int, int]] = []
    with answering(_OK) as (port, _), answering(_OK) as (bare_port, _):
        target, bare = Target(port, [b"GET / \r\n\r\n"]), Target(bare_port, [b"GET / \r\n\r\n"])
        (found,) = compare([Pair("x", target, bare)], (1,), 1, plan, lambda *a: told.append(a))
    assert (len(found.service), len(found.bare)) == (2, 2)
    assert told == [("x, 1 x 1", 0, 2), ("x, 1 x 1", 1, 2), ("done", 2, 2)]
    with answering(_REFUSED) as (port, _):
        pair = Pair("x", Target(port, [b"GET / \r\n\r\n"]))
        with pytest.raises(BenchmarkError, match="x is answered by 503: b'more'"):
            compare([pair], (1,), 1, plan, lambda *_: None)


def test_ratios_are_medians_of_the_rounds() -> None:
    found = Comparison(
        DURATION, 1, 1, [_load(2), _load(30), _load(4)], [_load(1), _load(3), _load(1)]
    )
    assert found.figure("p50_ms") == 4
    assert found.ratio("p50_ms") == 4  # of 2, 10 and 4
    p50, p99 = bounds.ratio_bounds([found])
    assert (p50.figure, p50.limit, p50.is_met) == (4, 8, True)
    assert (p99.figure, p99.limit) == (1, 12)


@pytest.mark.parametrize(("ours", "is_met"), [(25, True), (24, False)])
def test_throughput_is_to_be_a_quarter(ours: int, is_met: bool) -> None:
    found = Comparison(DURATION, 8, 1, [_load(1, count=ours)], [_load(1, count=100)])
    (bound,) = bounds.ratio_bounds([found])
    assert bound.is_met is is_met
    assert bound.row()[1:] == [f"0.{ours}", "at least 0.25", "met" if is_met else "missed"]


def test_two_workers_are_shown_but_not_judged() -> None:
    assert bounds.ratio_bounds([Comparison(DURATION, 1, 2, [_load(90)], [_load(1)])]) == []


def test_memory_that_grows_and_a_spike_are_missed() -> None:
    flat, growing = [100.0] * 50, [float(number) for number in range(100, 150)]
    assert [one.is_met for one in bounds.soak_bounds(Soak(_load(1, 2.5), flat))] == [True, True]
    assert [one.is_met for one in bounds.soak_bounds(Soak(_load(1, 2.4), growing))] == [False] * 2


def test_a_worklist_shows_the_last_ten_and_the_latest_first(tmp_path: Path) -> None:
    def event(day: int, second: int, person: str, workflow: str) -> tuple[datetime, str, str]:
        return datetime(2024, 5, day, 9, 0, second, tzinfo=UTC), person, workflow

    before = [event(1, second, "anna", f"w{second}") for second in range(12)]
    last = [event(2, 0, "anna", "w5"), event(2, 1, "ben", "w1"), event(2, 2, "ben", "w1")]
    views = pd.DataFrame([*before, *last], columns=["occurred_at", "person_id", "workflow_id"])
    found = workload(views)
    shown = ["w5", "w11", "w10", "w9", "w8", "w7", "w6", "w4", "w3", "w2"]
    assert [one.workflow_id for one in found] == [*shown, "w1", "w1"]
    assert [one.person_id for one in found] == ["anna"] * 10 + ["ben"] * 2
    write_workload(tmp_path / "workload.jsonl", found)
    assert json.loads((tmp_path / "workload.jsonl").read_text().splitlines()[-1]) == {
        "at": "2024-05-02T09:00:02+00:00",
        "person_id": "ben",
        "workflow_id": "w1",
    }


def test_missing_wrk_is_said_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    result = CliRunner().invoke(app, ["bench", "serving", "--connections", "1"])
    assert "--connections 1 --no-endpoints" in str(result.exception)


def test_a_service_elsewhere_is_not_measured() -> None:
    result = CliRunner().invoke(app, ["bench", "serving", "--url", "http://example.org:3000"])
    assert isinstance(result.exception, BenchmarkError)
    assert "http://example.org:3000" in str(result.exception)


def test_a_folder_whose_servers_run_is_refused(tmp_path: Path) -> None:
    environment = inherited_environment(tmp_path, "valkey")
    code = "print(1, flush=True); import sys; sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as left_over:
        assert left_over.stdout is not None
        left_over.stdout.readline()
        steps: list[str] = []
        used = f"in use: valkey as process {left_over.pid}"
        with (
            pytest.raises(BenchmarkError, match=used),
            company(company_settings(tmp_path), 100, steps.append),
        ):
            pass
        assert steps == []
        assert left_over.poll() is None
        left_over.communicate()


@pytest.mark.integration
@pytest.mark.timeout(900)
def test_command_measures_a_company_of_its_own(tmp_path: Path) -> None:
    out, recorded = tmp_path / "serving.json", tmp_path / "workload.jsonl"
    command = ["bench", "serving", "--tasks", "1500", "--connections", "1", "--workers", "1"]
    command += ["--rounds", "1", "--seconds", "1", "--soak", "0.05", "--no-endpoints"]
    result = CliRunner().invoke(
        app, [*command, "--json", str(out), "--workload", str(recorded)], catch_exceptions=False
    )
    assert result.exit_code == 0
    figures = json.loads(out.read_text())["figures"]
    questions = [(one["question"], one["connections"]) for one in figures["comparisons"]]
    assert questions == [(one, 1) for one in (HITS, DURATION, *CANDIDATES.values())]
    for one in figures["comparisons"]:
        assert one["service"][0]["count"] > 5
        assert one["service"][0]["error_count"] == one["bare"][0]["error_count"] == 0
        of_round = one["service"][0]["p50_ms"] / one["bare"][0]["p50_ms"]
        assert one["ratios"]["p50_ms"] == pytest.approx(of_round)
    hit_rate = figures["hit_rate"]
    assert hit_rate["asked_count"] == len(recorded.read_text().splitlines())
    assert hit_rate["hit_count"] == _answered_again(recorded)
    judged = {one["what"]: one["is_met"] for one in figures["bounds"]}
    assert len(judged) == 9
    assert "long run: p99.9 over p99" in judged
    assert "Workload:" in result.output


def _answered_again(recorded: Path) -> int:
    """The first time an answer is not kept, the second time it is; from then on it is there."""
    asked = [json.loads(line)["workflow_id"] for line in recorded.read_text().splitlines()]
    return sum(max(0, asked.count(one) - 2) for one in set(asked))
