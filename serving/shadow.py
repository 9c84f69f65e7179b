"""Compute what nobody waits for, behind the answers: the challenger's in the champion's shadow."""

import logging
import threading
from collections.abc import Callable
from queue import Full, Queue
from typing import Final

logger = logging.getLogger(__name__)

_MOST_WAITING: Final = 1_000

Job = Callable[[], object]


class ShadowQueue:
    """Run jobs one after the other in a thread of its own; more than can wait are dropped."""

    def __init__(self, on_drop: Callable[[], None], most_waiting: int = _MOST_WAITING) -> None:
        self._on_drop = on_drop
        self._jobs: Queue[Job | None] = Queue(most_waiting)
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def add(self, job: Job) -> None:
        """Take a job over at once; where too many wait, drop it."""
        try:
            self._jobs.put_nowait(job)
        except Full:
            self._on_drop()

    @property
    def waiting_count(self) -> int:
        """How many jobs wait."""
        return self._jobs.qsize()

    def stop(self, timeout_seconds: float = 2.0) -> None:
        """Finish what waits, as far as the time allows, and stop the thread."""
        if self._thread.is_alive():
            try:
                self._jobs.put(None, timeout=timeout_seconds)
            except Full:
                return
            self._thread.join(timeout_seconds)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception:  # a challenger may fail in ways its check did not show
                logger.exception("A shadow answer failed; nobody waited for it")
