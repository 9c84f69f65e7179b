"""Requests that wait at the same moment are answered at once.

Most of what a short answer costs is not its model's: a thread is woken, Valkey asked, a booster
called from Python, and for some rows that costs hardly more than for one. So while a thread
answers, what is asked meanwhile waits for it, and is then answered together. A request that comes
alone is answered alone and at once; nothing ever waits for others to come.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Final, Generic, TypeVar

from serving.problems import ProblemError

logger = logging.getLogger(__name__)

Question = TypeVar("Question")
Outcome = bytes | Exception
Answerer = Callable[[Sequence[Question]], Sequence[Outcome]]

# More would hardly cost less each, and the models shall not keep anybody waiting above 50 ms.
MOST_AT_ONCE: Final = 8


def only(answers: Sequence[Outcome]) -> bytes:
    """Return the answer to the only question.

    Raises:
        Exception: what stands for it.
    """
    (answer,) = answers
    if isinstance(answer, Exception):
        raise answer
    return answer


class Together(Generic[Question]):
    """Answers questions of one kind; one batch at a time. All but `_answers` is the event loop's.

    Args:
        threads: one of them answers.
        answer: gives each question's answer, or what is raised where it is awaited, in order. A
            ProblemError that it raises itself is everybody's. Whatever else it raises, or gives
            as an answer, has those asked about again alone: one that breaks it breaks no other.
    """

    def __init__(self, threads: Executor, answer: Answerer[Question]) -> None:
        self._threads, self._answer = threads, answer
        self._waiting: list[tuple[Question, asyncio.Future[bytes]]] = []
        self._is_busy = False

    @property
    def waiting_count(self) -> int:
        """How many questions wait, those being answered left out."""
        return len(self._waiting)

    async def ask(self, question: Question) -> bytes:
        """Wait for the answer to a question.

        Raises:
            Exception: what stands for the answer.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        self._waiting.append((question, answer))
        if not self._is_busy:
            self._is_busy = True
            loop.call_soon(self._begin, loop)  # behind all that have just been read
        return await answer

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
        self._is_busy = bool(batch)
        if batch:
            answered = self._threads.submit(self._answers, [question for question, _ in batch])
            answered.add_done_callback(
                lambda done: loop.call_soon_threadsafe(self._end, loop, batch, done.result())
            )

    def _end(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: Sequence[tuple[Question, asyncio.Future[bytes]]],
        answers: Sequence[Outcome],
    ) -> None:
        try:
            for (_, waits), answer in zip(batch, answers, strict=True):
                if waits.done():  # nobody waits any more
                    continue
                if isinstance(answer, Exception):
                    waits.set_exception(answer)
                else:
                    waits.set_result(answer)
        finally:
            loop.call_soon(self._begin, loop)  # behind the answers that are sent now

    def _answers(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        answers: Sequence[Outcome]
        try:
            answers = self._answer(questions)
        except ProblemError as err:  # of all: to ask each again would take as long each time
            return [err] * len(questions)
        except Exception as err:
            answers = [err] * len(questions)
        if len(questions) == 1:
            return answers
        broken = next(filter(_is_broken, answers), None)
        if isinstance(broken, Exception):  # alone it may well be answered, and nobody would know
            logger.warning("What broke is asked about again alone", exc_info=broken)
        return [
            self._answers([question])[0] if _is_broken(answer) else answer
            for question, answer in zip(questions, answers, strict=True)
        ]


def _is_broken(answer: Outcome) -> bool:
    """Tell whether nobody meant to give this answer: another question may have caused it."""
    return isinstance(answer, Exception) and not isinstance(answer, ProblemError)
