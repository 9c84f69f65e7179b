"""What is asked at the same moment is answered at once, and each gets what is its own."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.problems import HistoryAwayError, UnknownTaskError
from serving.together import MOST_AT_ONCE, Outcome, Together


class Upper:
    """Answers with capitals; remembers what it was asked at once, and can be held."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.begun, self.may_end = threading.Semaphore(0), threading.Event()
        self.may_end.set()

    def __call__(self, questions: Sequence[str]) -> list[Outcome]:
        self.batches.append(list(questions))
        self.begun.release()
        assert self.may_end.wait(10)
        if "broken" in questions:
            raise ZeroDivisionError
        if "away" in questions:
            raise HistoryAwayError("no database")
        return [self._answer(of, len(questions)) for of in questions]

    def _answer(self, question: str, count: int) -> Outcome:
        if question == "unknown":
            return UnknownTaskError("no such task", task_id=question)
        is_broken = question == "never" or (question == "alone" and count > 1)
        return LookupError(question) if is_broken else question.upper().encode()

    async def has_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.acquire, timeout=10)


@pytest.fixture
def upper() -> Upper:
    return Upper()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


Asks = Callable[[Together[str]], Awaitable[list[object]]]


@pytest.fixture
def answered(upper: Upper, threads: ThreadPoolExecutor) -> Callable[[Asks], list[object]]:
    async def ask(asks: Asks) -> list[object]:
        return await asks(Together(threads, upper))

    return lambda asks: asyncio.run(ask(asks))


async def gathered(together: Together[str], *questions: str) -> list[object]:
    return list(await asyncio.gather(*map(together.ask, questions), return_exceptions=True))


def test_one_that_comes_alone_is_answered_alone(
    upper: Upper, answered: Callable[[Asks], list[object]]
) -> None:
    async def asks(together: Together[str]) -> list[object]:
        return [await together.ask(of) for of in "abc"]

    assert answered(asks) == [b"A", b"B", b"C"]
    assert upper.batches == [["a"], ["b"], ["c"]]


def test_those_of_one_moment_are_answered_at_once(
    upper: Upper, answered: Callable[[Asks], list[object]]
) -> None:
    assert answered(lambda of: gathered(of, *"abcd")) == [b"A", b"B", b"C", b"D"]
    assert upper.batches == [list("abcd")]


def test_what_is_asked_meanwhile_waits_and_is_answered_at_once(
    upper: Upper, answered: Callable[[Asks], list[object]]
) -> None:
    async def asks(together: Together[str]) -> list[object]:
        upper.may_end.clear()
        first = asyncio.create_task(together.ask("a"))
        await upper.has_begun()
        rest = asyncio.create_task(gathered(together, *"bcd"))
        await asyncio.sleep(0.05)
        assert len(upper.batches) == 1
        upper.may_end.set()
        return [await first, *await rest]

    assert answered(asks) == [b"A", b"B", b"C", b"D"]
    assert upper.batches == [["a"], ["b", "c", "d"]]


def test_no_more_than_so_many_at_once(
    upper: Upper, answered: Callable[[Asks], list[object]]
) -> None:
    questions = [f"q{i}" for i in range(2 * MOST_AT_ONCE + 1)]
    said = answered(lambda of: gathered(of, *questions))
    assert said == [of.upper().encode() for of in questions]
    assert list(map(len, upper.batches)) == [MOST_AT_ONCE, MOST_AT_ONCE, 1]


def test_a_problem_is_its_own_questions_alone(
    upper: Upper, answered: Callable[[Asks], list[object]]
) -> None:
    known, unknown, other = answered(lambda of: gathered(of, "a", "unknown", "b"))
    assert (known, other) == (b"A", b"B")
    assert isinstance(unknown, UnknownTaskError)
    assert len(upper.batches) == 1


def test_only_what_broke_is_asked_again_and_it_is_told(
    upper: Upper, answered: Callable[[Asks], list[object]], caplog: pytest.LogCaptureFixture
) -> None:
    known, alone, never = answered(lambda of: gathered(of, "a", "alone", "never"))
    assert (known, alone) == (b"A", b"ALONE")
    assert isinstance(never, LookupError)
    assert upper.batches == [["a", "alone", "never"], ["alone"], ["never"]]
    (told,) = [record.exc_info for record in caplog.records if record.name == "serving.together"]
    assert told is not None
    assert isinstance(told[1], LookupError)


def test_one_that_breaks_it_breaks_no_other(
    upper: Upper, answered: Callable[[Asks], list[object]]
) -> None:
    before, broken, behind = answered(lambda of: gathered(of, "a", "broken", "b"))
    assert (before, behind) == (b"A", b"B")
    assert isinstance(broken, ZeroDivisionError)
    assert upper.batches == [["a", "broken", "b"], ["a"], ["broken"], ["b"]]


def test_a_problem_of_all_is_everybodys_and_is_not_tried_again(
    upper: Upper, answered: Callable[[Asks], list[object]]
) -> None:
    said = answered(lambda of: gathered(of, "a", "away", "b"))
    assert [type(one) for one in said] == [HistoryAwayError] * 3
    assert upper.batches == [["a", "away", "b"]]


def test_one_that_gave_up_hinders_no_other(
    upper: Upper, answered: Callable[[Asks], list[object]]
) -> None:
    async def asks(together: Together[str]) -> list[object]:
        upper.may_end.clear()
        first = asyncio.create_task(together.ask("a"))
        await upper.has_begun()
        second, third = (asyncio.create_task(together.ask(of)) for of in "bc")
        await asyncio.sleep(0)
        first.cancel()
        second.cancel()
        upper.may_end.set()
        return [await third, first.cancelled(), second.cancelled(), await together.ask("d")]

    assert answered(asks) == [b"C", True, True, b"D"]
