"""Requests that wait at the same moment."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from httpx import Response

FIRST: Final = "whom the others wait for"
_SECONDS: Final = 10

Read = Callable[..., Any]


class AtOnce:
    """Asks while the thread that answers is held by a question of its own, which is unknown.

    Args:
        client: posts.
        lanes: of the worker that is asked.
        pool: a thread for each question and one more.
    """

    def __init__(self, client: Any, lanes: Any, pool: ThreadPoolExecutor) -> None:
        self._client, self._lanes, self._pool = client, lanes, pool
        self._is_held, self._may_go = threading.Event(), threading.Event()

    def held(self, read: Read) -> Read:
        """Let what is read for answers, by workflow ids, hold the thread."""

        def held(workflow_ids: Sequence[str], *of: Any) -> Any:
            if FIRST in workflow_ids:
                self._is_held.set()
                assert self._may_go.wait(_SECONDS)
            return read(workflow_ids, *of)

        return held

    def __call__(self, path: str, questions: Sequence[Mapping[str, Any]]) -> list[Response]:
        """Return the answers in the order asked."""
        self._is_held.clear(), self._may_go.clear()
        first, rest = self._post(path, {"workflow_id": FIRST}), []
        assert self._is_held.wait(_SECONDS)
        for count, question in enumerate(questions, start=1):
            rest.append(self._post(path, question))
            self._wait_for(count)
        self._may_go.set()
        assert first.result().status_code == 404
        return [one.result() for one in rest]

    def _post(self, path: str, question: Mapping[str, Any]) -> Future[Response]:
        return self._pool.submit(self._client.post, path, json=question)

    def _wait_for(self, count: int) -> None:
        until = time.monotonic() + _SECONDS
        while self._lanes.waiting_count != count:
            assert time.monotonic() < until
            time.sleep(0.001)


def said(response: Response) -> Any:
    """Return what an answer says beside its own id."""
    return {name: of for name, of in response.json().items() if name != "prediction_id"}
