"""Threads that answer: few of a kind, and no kind waits for another."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import anyio
import pytest

from pipelines.contracts import Model
from serving.lanes import Lane, Lanes
from tests.serving.conftest import World

ONE = {"workflow_id": "WF-1"}
MANY = {"workflow_ids": ["WF-1", "WF-2"]}


@pytest.mark.parametrize("thread_count", [1, 3])
def test_no_more_than_its_threads_work_at_once(thread_count: int) -> None:
    lanes, lock, now, most = Lanes(thread_count), threading.Lock(), [0], [0]
    together = threading.Barrier(thread_count)

    def work() -> int:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        together.wait(10)
        with lock:
            now[0] -= 1
        return threading.get_ident()

    async def many() -> set[int]:
        idents: set[int] = set()

        async def one() -> None:
            idents.add(await lanes.run(Lane.LONG, work))

        async with anyio.create_task_group() as group:
            for _ in range(4 * thread_count):
                group.start_soon(one)
        return idents

    assert threading.get_ident() not in anyio.run(many)
    assert most == [thread_count]


@contextmanager
def all_wait(
    world: World, monkeypatch: pytest.MonkeyPatch, body: Any, read_count: int
) -> Iterator[None]:
    """Let questions of one form wait for their features, more of them than can be answered."""
    may_end, waiting, read = threading.Event(), threading.Semaphore(0), world.features.read

    def slow(workflow_ids: Any, model: Model) -> Any:
        if list(workflow_ids) == body.get("workflow_ids", [body.get("workflow_id")]):
            waiting.release()
            assert may_end.wait(30)
        return read(workflow_ids, model)

    monkeypatch.setattr(world.features, "read", slow)
    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(world.client.post, "/predict_duration", json=body) for _ in range(5)]
        try:
            assert all(waiting.acquire(timeout=10) for _ in range(read_count))
            assert not waiting.acquire(timeout=0.2)  # the others have no thread yet
            yield
        finally:
            may_end.set()
        assert [one.result().status_code for one in asked] == [200] * 5


def test_one_workflow_is_answered_while_many_are_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with all_wait(world, monkeypatch, MANY, read_count=3):
        assert world.client.post("/predict_duration", json=ONE).status_code == 200
        assert world.client.post("/assess_risk", json=ONE).status_code == 200
        assert world.client.post("/predict_duration", json={"task_id": "T"}).status_code == 503


def test_many_are_answered_while_one_workflow_is_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with all_wait(world, monkeypatch, ONE, read_count=1):
        assert world.client.post("/assess_risk", json=MANY).status_code == 200
        assert world.client.get("/readyz").status_code in {200, 503}
