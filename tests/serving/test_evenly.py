"""Who hangs up on whom, by what the workers have in hand."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import bentoml
import pytest
from starlette.types import Message, Receive, Scope, Send

from serving import evenly, metrics
from serving.evenly import Evenly
from serving.loads import Loads

_ROUND_S = 0.01


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(evenly, "time", clock)
    monkeypatch.setattr(bentoml.server_context, "worker_index", 1)
    return clock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "worker-loads"


class Worker:
    """A worker whose answers wait until they are let go, all at once."""

    def __init__(self, path: Path) -> None:
        self._may_answer = asyncio.Event()
        self._asgi = Evenly(self._answer, path)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b""})

    async def ask(self, count: int, wait: Callable[[], None] = lambda: None) -> int:
        """Ask over so many connections at once; return how many were hung up on."""
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "http.request"}

        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self._asgi({"type": "http"}, receive, send))
            await asyncio.sleep(0)
            wait()
            self._may_answer.set()
        self._may_answer.clear()
        starts = [one["headers"] for one in sent if one["type"] == "http.response.start"]
        assert len(starts) == count
        assert all(headers[0] == (b"a", b"b") for headers in starts)
        return sum((b"connection", b"close") in headers for headers in starts)


def over(clock: Clock, seconds: float) -> Callable[[], None]:
    """Return what lets time go by."""

    def go() -> None:
        clock.now_s += seconds

    return go


def test_a_worker_alone_hangs_up_on_nobody(clock: Clock, path: Path) -> None:
    assert asyncio.run(Worker(path).ask(32, over(clock, 1))) == 0


def test_half_of_all_are_sent_to_an_idle_worker(clock: Clock, path: Path) -> None:
    Loads(path, 1).tell(0, clock.now_s)
    before = metrics.HANG_UPS._value.get()
    moved = asyncio.run(Worker(path).ask(32, over(clock, 1)))
    assert 13 <= moved <= 16  # up to what is tolerated
    assert metrics.HANG_UPS._value.get() == before + moved


@pytest.mark.parametrize(("own", "other"), [(18, 15), (16, 16), (3, 0), (4, 28)])
def test_small_differences_and_lighter_loads_move_nobody(
    clock: Clock, path: Path, own: int, other: int
) -> None:
    Loads(path, 1).tell(other, clock.now_s - 10)
    assert asyncio.run(Worker(path).ask(own, over(clock, 1))) == 0


def test_a_few_requests_are_worth_no_new_connection(clock: Clock, path: Path) -> None:
    for number in range(1, 4):
        Loads(path, number).tell(0, clock.now_s)
    assert asyncio.run(Worker(path).ask(3, over(clock, 1))) == 0
    assert asyncio.run(Worker(path).ask(8, over(clock, 1))) > 0


def test_a_moment_in_which_the_other_has_not_yet_woken_moves_nobody(
    clock: Clock, path: Path
) -> None:
    Loads(path, 1).tell(0, clock.now_s)
    assert asyncio.run(Worker(path).ask(32, over(clock, 0.01))) == 0


def test_whom_it_has_just_hung_up_on_are_not_counted_twice(clock: Clock, path: Path) -> None:
    Loads(path, 1).tell(0, clock.now_s)

    async def rounds() -> list[int]:
        worker = Worker(path)
        # Nobody shows up at the other yet.
        return [await worker.ask(32, over(clock, after_s)) for after_s in (1, *[_ROUND_S] * 5)]

    first, *others = asyncio.run(rounds())
    assert first >= 13
    assert sum(others) <= 4


def test_it_tries_again_when_they_came_back_to_it(clock: Clock, path: Path) -> None:
    Loads(path, 1).tell(0, clock.now_s)

    async def rounds() -> tuple[int, int]:
        worker = Worker(path)
        return await worker.ask(32, over(clock, 1)), await worker.ask(32, over(clock, 2))

    first, again = asyncio.run(rounds())
    assert again == first >= 13


def test_who_starts_or_has_stopped_is_sent_nobody(clock: Clock, path: Path) -> None:
    """Who drains still counts: the lifespan ends after the last answer."""
    own = Loads(path, 1)
    own.tell(10, clock.now_s - 10)
    seen: dict[str, float] = {}

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        seen["starting"] = own.excess(clock.now_s)
        await send({"type": "lifespan.startup.complete"})
        seen["started"] = own.excess(clock.now_s)

    async def nothing(_message: Message) -> None: ...

    async def run() -> None:
        await Evenly(app, path)({"type": "lifespan"}, lambda: asyncio.sleep(0, {}), nothing)

    asyncio.run(run())
    assert seen == pytest.approx({"starting": 0, "started": 5})
    assert own.excess(clock.now_s) == pytest.approx(0)


def test_without_the_file_all_are_answered(
    clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        assert asyncio.run(Worker(tmp_path / "file" / "worker-loads").ask(32)) == 0
    assert "unevenly" in caplog.text
