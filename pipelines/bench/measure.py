"""Measure contenders side by side: the machines are shared, so only figures of one run compare.

Rounds are interleaved, so that a slow minute of the machine falls on all contenders alike.
"""

import logging
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from logging.handlers import QueueHandler, QueueListener
from multiprocessing.queues import Queue
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

Work = Callable[[], Any]
Progress = Callable[[str, int, int], None]
"""Told the contender that begins, the runs done and the runs in all."""
Told = Callable[[str], object]
"""Told what a work logs while it runs, line by line."""

_STATUS: Final = Path("/proc/self/status")


@dataclass(frozen=True)
class Contender:
    """One way to do the work.

    `prepare` does what shall not be timed (imports, connections) and returns the work; it is
    sent to a process of its own, so it is a module's function or a `functools.partial` of one.
    `keep` makes of a large result what shall be sent back, a digest say; it is not timed either.
    """

    name: str
    prepare: Callable[[], Work]
    keep: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class Measurement:
    """Seconds of each round, peak memory over all rounds, and what the work last returned.

    `cpu_seconds` are those of all cores together: they tell more where others use the machine.
    """

    name: str
    seconds: tuple[float, ...]
    peak_mib: float
    result: Any
    cpu_seconds: tuple[float, ...] = ()

    @property
    def median_s(self) -> float:
        """Median of the rounds, in seconds."""
        return median(self.seconds)


def side_by_side(
    contenders: Sequence[Contender],
    rounds: int,
    progress: Progress | None = None,
    told: Told = lambda _: None,
) -> list[Measurement]:
    """Run every contender once a round, each time in a new process.

    Peak memory is that of the process that does the work, without its children.
    """
    runs: dict[str, list[tuple[float, float, float, Any]]] = {one.name: [] for one in contenders}
    total = rounds * len(contenders)
    for number in range(total):
        one = contenders[number % len(contenders)]
        if progress is not None:
            progress(one.name, number, total)
        runs[one.name].append(_in_new_process(one, told))
    if progress is not None:
        progress("done", total, total)
    return [
        Measurement(
            name,
            tuple(seconds for seconds, _, _, _ in measured),
            max(peak for _, _, peak, _ in measured),
            measured[-1][3],
            tuple(cpu for _, cpu, _, _ in measured),
        )
        for name, measured in runs.items()
    ]


def interleaved_latencies_ms(
    calls: Mapping[str, Work], count: int, warm_up: int = 100
) -> dict[str, np.ndarray]:
    """Call short works in turn, `count` times each, in this process; return milliseconds.

    Each round has an order of its own: who comes after a long work finds cold caches and, on a
    busy machine, waits for its turn.
    """
    rng = np.random.default_rng(0)
    names = list(calls)
    for work in calls.values():
        for _ in range(warm_up):
            work()
    latencies = {name: np.empty(count) for name in calls}
    for number in range(count):
        for place in rng.permutation(len(names)):
            name = names[place]
            work = calls[name]
            begun = time.perf_counter_ns()
            work()
            latencies[name][number] = (time.perf_counter_ns() - begun) / 1e6
    return latencies


class _Teller(logging.Handler):
    def __init__(self, told: Told) -> None:
        super().__init__()
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        self._told(record.getMessage())


def _in_new_process(one: Contender, told: Told) -> tuple[float, float, float, Any]:
    # Spawned, not forked: nothing of this process, its memory least of all, shall come along.
    context = multiprocessing.get_context("spawn")
    logged: Queue[logging.LogRecord] = context.Queue()
    listener = QueueListener(logged, _Teller(told))
    listener.start()
    try:
        with ProcessPoolExecutor(1, context, _log_to, (logged,)) as pool:
            return pool.submit(_measured, one).result()
    finally:
        listener.stop()


def _log_to(logged: "Queue[logging.LogRecord]") -> None:
    logger = logging.getLogger("pipelines")
    logger.addHandler(QueueHandler(logged))
    logger.setLevel(logging.INFO)


def _measured(one: Contender) -> tuple[float, float, float, Any]:
    work = one.prepare()
    begun, cpu_begun = time.perf_counter(), time.process_time()
    result = work()
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu_begun
    peak = peak_mib()
    return seconds, cpu_seconds, peak, result if one.keep is None else one.keep(result)


def peak_mib() -> float:
    """Return the most memory this process has had."""
    # Not getrusage: its maximum outlives exec and would tell of the parent.
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
