"""Which thread answers: a few for each kind of question, so that no kind keeps another waiting.

Threads of one interpreter take turns, and the more of them want it, the longer each waits for its
turn: what a few threads answer one after the other is answered sooner than by many at once. But
a question that waits for a database, or for a long plan, must not hold a thread that a short one
needs.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Final, TypeVar

from anyio import CapacityLimiter, to_thread

_THREADS: Final = 3

Done = TypeVar("Done")


class Lane(Enum):
    """A kind of question, by what it may wait for."""

    WORKFLOW = auto()  # about one workflow: the online store, and that not long
    ADVICE = auto()  # a task or a template: the source database, and some work
    LONG = auto()  # many at once, or a plan: much work


class Lanes:
    """The threads of a worker: so many for each lane. What BentoML and FastAPI do has its own."""

    def __init__(self, thread_count: int = _THREADS) -> None:
        self._limiters: Mapping[Lane, CapacityLimiter] = {
            lane: CapacityLimiter(thread_count) for lane in Lane
        }

    async def run(self, lane: Lane, work: Callable[[], Done]) -> Done:
        """Let a thread of the lane do some work, as soon as one is free."""
        return await to_thread.run_sync(work, limiter=self._limiters[lane])
