"""Measure the service beside the bare server: rounds alternate, and ratios are taken in each."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from pipelines.bench.serving.load import Connection, Load, Target, load
from pipelines.errors import BenchmarkError

Progress = Callable[[str, int, int], None]
"""Told what begins, the measurements done and those in all."""

_TRIED: Final = 20  # requests
_WARM_UP_S: Final = 1.0
_OK: Final = 200
_TAKEN: Final = 202  # what is written behind the answer
_READY_WAIT_S: Final = 120.0
_IN_A_ROW: Final = 10
_POLL_S: Final = 0.5


@dataclass(frozen=True)
class Plan:
    """How much to measure; without minutes there is no long run."""

    connections: Sequence[int]
    workers: Sequence[int]
    rounds: int
    seconds: float
    soak_minutes: float = 0
    has_endpoints: bool = True


@dataclass(frozen=True)
class Pair:
    """A question to the service, and the one to the bare server that it is compared with."""

    question: str
    service: Target
    bare: Target | None = None


@dataclass(frozen=True)
class Comparison:
    """The rounds of one pair at so many connections, of servers with so many workers."""

    question: str
    connections: int
    workers: int
    service: list[Load] = field(default_factory=list)
    bare: list[Load] = field(default_factory=list)

    def figure(self, name: str) -> float:
        """Return the median over the rounds of the service's figure, by its name in `Load`."""
        return float(median(getattr(one, name) for one in self.service))

    def ratio(self, name: str) -> float:
        """Return the median over the rounds of the service's figure over the bare server's."""
        pairs = zip(self.service, self.bare, strict=True)
        return float(median(getattr(ours, name) / getattr(bare, name) for ours, bare in pairs))


def compare(
    pairs: Sequence[Pair],
    connections: Sequence[int],
    workers: int,
    plan: Plan,
    progress: Progress,
) -> list[Comparison]:
    """Measure every pair at each of these numbers of connections, once a round.

    Raises:
        BenchmarkError: a server refuses what it is asked, or does not answer.
    """
    for pair in pairs:
        for target in filter(None, (pair.service, pair.bare)):
            require_answers(pair.question, target)
            for count in connections:  # one alone would warm one worker
                load(target, count, _WARM_UP_S)
    found = {
        (pair.question, count): Comparison(pair.question, count, workers)
        for pair in pairs
        for count in connections
    }
    total, done = plan.rounds * len(found), 0
    for number in range(plan.rounds):
        for pair in pairs:
            for count in connections:
                progress(f"{pair.question}, {count} x {workers}", done, total)
                _measure(pair, found[pair.question, count], plan.seconds, number)
                done += 1
    progress("done", total, total)
    return list(found.values())


def require_answers(question: str, target: Target) -> None:
    """Ask some requests and see that each gets an answer.

    Raises:
        BenchmarkError: a server refuses what it is asked, or does not answer; or there is nothing
            to ask about.
    """
    if not target.requests:
        raise BenchmarkError(f"{question} was not asked: the platform has nothing to ask about.")
    with Connection(target.port) as connection:
        for number in range(max(_TRIED, min(len(target.requests), 10 * _TRIED))):
            status, body = connection.ask(target.requests[number % len(target.requests)])
            if status not in {_OK, _TAKEN}:
                raise BenchmarkError(f"{question} is answered by {status}: {body[:300]!r}")


def _measure(pair: Pair, into: Comparison, seconds: float, number: int) -> None:
    turns: list[tuple[Target | None, list[Load]]] = [
        (pair.bare, into.bare),
        (pair.service, into.service),
    ]
    for target, loads in turns if number % 2 else reversed(turns):
        if target is not None:
            loads.append(load(target, into.connections, seconds))
            if loads[-1].error_count:
                raise BenchmarkError(
                    f"{pair.question}: {loads[-1].error_count} of {loads[-1].count} answers were "
                    "problems; the server's log says more."
                )


def until_answered(question: str, target: Target, wait_s: float = _READY_WAIT_S) -> None:
    """Ask the first request until it is answered: a service that has started loads its models.

    Each of its workers does, so it must be answered some times in a row, each over a connection of
    its own, which any worker may take.

    Raises:
        BenchmarkError: it is not answered in time; with the last answer.
    """
    deadline = time.monotonic() + wait_s
    count = 0
    while count < _IN_A_ROW:
        with Connection(target.port) as connection:
            status, body = connection.ask(target.requests[0])
        if status == _OK:
            count += 1
            continue
        count = 0
        if time.monotonic() > deadline:
            raise BenchmarkError(
                f"{question} is still answered by {status} after {wait_s:g} s: {body[:500]!r}"
            )
        time.sleep(_POLL_S)
