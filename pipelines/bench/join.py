"""Measure point-in-time joins through Feast's own call, beside DuckDB by hand and Feast's store.

What each joins comes in two kinds: by event time alone, as Feast does by default, and as known
at each row's moment, as the platform does. Contenders of one kind must give the same values.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from pipelines.bench.join_by_hand import (
    asof_known_query,
    asof_query,
    range_event_query,
    range_known_query,
    raw_join,
)
from pipelines.bench.join_data import JoinSizes, digest, write_join_data
from pipelines.bench.join_feast import HINDSIGHT, OURS, STOCK, feast_join
from pipelines.bench.measure import Contender, Measurement, Progress, side_by_side
from pipelines.errors import BenchmarkError

RAW_ASOF: Final = "ASOF by hand"
RAW_RANGE: Final = "range join by hand"
WORKCAST: Final = "Workcast"
FEAST: Final = "Feast's DuckDB store"
BY_EVENT: Final = "by event time"
AS_KNOWN: Final = "as known"
# Beyond so many pairs for each feature row a range join is hopeless beside an ASOF join.
_MOST_PAIRS_PER_ROW: Final = 8


@dataclass(frozen=True)
class JoinFigure:
    """What one contender took; its ratio is to the better plan by hand of the same kind."""

    name: str
    kind: str
    seconds: tuple[float, ...]
    median_s: float
    peak_mib: float
    times_raw_asof: float
    times_best_by_hand: float
    digest: str


def measure_join(
    sizes: JoinSizes, rounds: int, *, with_stock: bool, progress: Progress | None = None
) -> list[JoinFigure]:
    """Join the same files with every contender, interleaved, each run in its own process.

    Raises:
        BenchmarkError: two contenders of one kind gave different values.
    """
    with tempfile.TemporaryDirectory(prefix="workcast-bench-") as name:
        folder = Path(name)
        write_join_data(folder, sizes)
        contenders = _contenders(folder, sizes, with_stock=with_stock)
        runs = side_by_side([one for _, one in contenders], rounds, progress)
    kinds = [kind for kind, _ in contenders]
    _require_equal(kinds, runs)
    return _figures(kinds, runs)


def join_rows(figures: Sequence[JoinFigure]) -> list[list[str]]:
    """Return the table's rows: contender, seconds, spread, memory and both ratios."""
    return [
        [
            one.name,
            f"{one.median_s:.2f}",
            f"{min(one.seconds):.2f} to {max(one.seconds):.2f}",
            f"{one.peak_mib:,.0f}",
            f"{one.times_raw_asof:.2f}",
            f"{one.times_best_by_hand:.2f}",
        ]
        for one in figures
    ]


def join_content(sizes: JoinSizes, figures: Sequence[JoinFigure]) -> dict[str, Any]:
    """Return what goes into the JSON file."""
    return {"sizes": asdict(sizes), "contenders": [asdict(one) for one in figures]}


def _contenders(folder: Path, sizes: JoinSizes, *, with_stock: bool) -> list[tuple[str, Contender]]:
    keep = partial(digest, views=sizes.views)

    def raw(name: str, query: Any) -> Contender:
        return Contender(name, partial(raw_join, query, folder, sizes), keep)

    def feast(name: str, offline_store: dict[str, Any]) -> Contender:
        return Contender(name, partial(feast_join, folder, sizes, offline_store), keep)

    found = [
        (BY_EVENT, raw(RAW_ASOF, asof_query)),
        (BY_EVENT, feast(WORKCAST, HINDSIGHT)),
        (AS_KNOWN, raw(f"{RAW_ASOF}, {AS_KNOWN}", asof_known_query)),
        (AS_KNOWN, feast(f"{WORKCAST}, {AS_KNOWN}", OURS)),
    ]
    if sizes.pairs_per_row <= _MOST_PAIRS_PER_ROW:
        found.insert(1, (BY_EVENT, raw(RAW_RANGE, range_event_query)))
        found.insert(-1, (AS_KNOWN, raw(f"{RAW_RANGE}, {AS_KNOWN}", range_known_query)))
    if with_stock:
        found.append((BY_EVENT, feast(FEAST, STOCK)))
    return found


def _require_equal(kinds: Sequence[str], runs: Sequence[Measurement]) -> None:
    for kind in dict.fromkeys(kinds):
        digests = {
            run.name: run.result for own, run in zip(kinds, runs, strict=True) if own == kind
        }
        if len(set(digests.values())) > 1:
            raise BenchmarkError(
                f"Joined {kind}, the values differ between {', '.join(digests)}; "
                "a figure of speed means nothing before they are equal."
            )


def _figures(kinds: Sequence[str], runs: Sequence[Measurement]) -> list[JoinFigure]:
    by_hand = [
        (kind, run.median_s)
        for kind, run in zip(kinds, runs, strict=True)
        if run.name.startswith((RAW_ASOF, RAW_RANGE))
    ]
    raw_asof = next(run.median_s for run in runs if run.name == RAW_ASOF)
    return [
        JoinFigure(
            name=run.name,
            kind=kind,
            seconds=run.seconds,
            median_s=run.median_s,
            peak_mib=run.peak_mib,
            times_raw_asof=run.median_s / raw_asof,
            times_best_by_hand=run.median_s / min(s for own, s in by_hand if own == kind),
            digest=run.result,
        )
        for kind, run in zip(kinds, runs, strict=True)
    ]
