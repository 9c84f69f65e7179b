"""Which thread answers: a few for each kind of question, so that no kind keeps another waiting.

Threads of one interpreter take turns, and the more of them want it, the longer each waits for its
turn: what a few threads answer one after the other is answered sooner than by many at once. But
a question that waits for a database, or for a long plan, must not hold a thread that a short one
needs.
"""

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from enum import Enum, auto
from functools import partial
from typing import Any, Final, TypeVar

from serving.together import Outcome, Question, Together

_THREADS: Final = 3
_TURN_S: Final = 0.001

Done = TypeVar("Done")
Of = TypeVar("Of")


def take_short_turns() -> None:
    """Let threads of this process keep the interpreter a millisecond when another waits, not five.

    Each answer changes threads twice, to its lane and back to the event loop, and either may find
    a third one at work: the log's, or one that looks for new versions.
    """
    sys.setswitchinterval(_TURN_S)


class Lane(Enum):
    """A kind of question, by what it may wait for."""

    WORKFLOW = auto()  # about one workflow: the online store, and that not long
    ADVICE = auto()  # a task, a template, a short plan, an alert: the source database, some work
    LONG = auto()  # many at once, or a long plan: much work


class Lanes:
    """The threads of a worker: so many for each lane. What BentoML and FastAPI do has its own.

    An executor hands work over for a fraction of what AnyIO's threads cost the event loop.
    """

    def __init__(self, thread_count: int = _THREADS) -> None:
        self._threads: Mapping[Lane, ThreadPoolExecutor] = {
            lane: ThreadPoolExecutor(thread_count, f"{lane.name.lower()}-lane") for lane in Lane
        }
        self._together: dict[Callable[..., Any], Together[Any]] = {}

    async def run(self, lane: Lane, work: Callable[[], Done]) -> Done:
        """Let a thread of the lane do some work, as soon as one is free.

        The work sees the context of whoever asks: the span of the request.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads[lane], copy_context().run, work)

    def together(
        self,
        lane: Lane,
        answer: Callable[[Of, Sequence[Question]], Sequence[Outcome]],
        of: Of,
    ) -> Together[Question]:
        """Return what lets a thread of the lane `answer` at once what is asked at one moment."""
        if answer not in self._together:
            self._together[answer] = Together(self._threads[lane], partial(answer, of))
        return self._together[answer]

    @property
    def waiting_count(self) -> int:
        """How many questions wait to be answered together."""
        return sum(together.waiting_count for together in list(self._together.values()))

    def close(self) -> None:
        """End the threads once they have nothing left to do."""
        for threads in self._threads.values():
            threads.shutdown()
