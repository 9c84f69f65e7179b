"""Measure the feature build: from scratch, one more day, and what the machine can do at most.

One more day follows another, as it does every day but the first after a build from scratch; that
one compiles its statements anew, and is measured too.
"""

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b
from pathlib import Path
from statistics import median
from typing import Final

from pipelines.bench.features_history import write_history
from pipelines.bench.measure import Contender, Measurement, Progress, Work, side_by_side
from pipelines.contracts import FEATURES_FOLDER, HISTORY_FOLDER, HistoryTable
from pipelines.features.build import BuildResult, build_features
from pipelines.features.program import PROGRAM
from pipelines.features.update import update_features

SCRATCH: Final = "all views from scratch"
DAY: Final = "one more day"
ANEW: Final = "one more day, compiled anew"
LIMIT: Final = "scan, sort and write the events"
_UNIT: Final = "month"
_MEMORY: Final = "2GB"


@dataclass(frozen=True)
class FeatureFigures:
    """What was measured on how many events, and whether both builds gave the same files."""

    event_count: int
    measurements: tuple[Measurement, ...]
    are_equal: bool

    @property
    def day_ratio(self) -> float:
        """Return the time of one more day as a share of the build from scratch."""
        by_name = {one.name: one.median_s for one in self.measurements}
        return by_name[DAY] / by_name[SCRATCH]


def measure_features(
    event_count: int, rounds: int, progress: Progress | None = None
) -> FeatureFigures:
    """Build the features of a history from scratch and by one day, beside a plain DuckDB.

    Args:
        event_count: events of the history, at least.
        rounds: times each is done.
        progress: see `side_by_side`.
    """
    with tempfile.TemporaryDirectory(prefix="workcast-bench-") as folder:
        root = Path(folder)
        history = root / "history"
        until = write_history(str(history), event_count, _UNIT)
        yesterday = root / "yesterday"
        _linked(history, yesterday)
        for days in (2, 1):
            _update(yesterday, until - timedelta(days=days))
        anew = root / "anew"
        _linked(yesterday, anew)
        (anew / PROGRAM).unlink()
        measured = side_by_side(
            [
                Contender(SCRATCH, partial(_from_scratch, history, root / "scratch", until)),
                Contender(DAY, partial(_one_day, yesterday, root / "day", until)),
                Contender(ANEW, partial(_one_day, anew, root / "day_anew", until)),
                Contender(LIMIT, partial(_sorted_copy, history, root / "limit.parquet")),
            ],
            rounds,
            progress,
        )
        count = int(measured[-1].result)
        scratch = _digests(root / "scratch")
        are_equal = all(scratch == _digests(root / name) for name in ("day", "day_anew"))
    return FeatureFigures(count, tuple(measured), are_equal)


def feature_rows(figures: FeatureFigures) -> Sequence[Sequence[str]]:
    """Return rows: name, seconds, share of the build from scratch, CPU seconds, peak memory."""
    whole = figures.measurements[0].median_s
    return [
        (
            one.name,
            f"{one.median_s:.2f}",
            f"{one.median_s / whole:.1%}",
            f"{median(one.cpu_seconds):.2f}",
            f"{one.peak_mib:,.0f}",
        )
        for one in figures.measurements
    ]


def _from_scratch(history: Path, lake: Path, until: datetime) -> Work:
    _linked(history, lake)
    return lambda: build_features(str(lake), until, _UNIT, memory_limit=_MEMORY).watermark


def _one_day(yesterday: Path, lake: Path, until: datetime) -> Work:
    _linked(yesterday, lake)
    return lambda: _update(lake, until).since


def _update(lake: Path, until: datetime) -> BuildResult:
    return update_features(str(lake), until, _UNIT, memory_limit=_MEMORY)


def _sorted_copy(history: Path, out: Path) -> Work:
    """Prepare what any build does at least: read the events, order them, write them."""
    import duckdb  # noqa: PLC0415 - in the contender's own process

    connection = duckdb.connect(config={"memory_limit": _MEMORY})
    files = str(history / HISTORY_FOLDER / HistoryTable.TASK_EVENTS.value / "*" / "part.parquet")

    def work() -> int:
        events = connection.read_parquet(files)
        ordered = events.order("workflow_id, occurred_at, sequence")
        ordered.write_parquet(str(out), compression="zstd")
        return int(connection.read_parquet(str(out)).count("*").fetchall()[0][0])

    return work


def _linked(source: Path, target: Path) -> None:
    """Copy a lake without copying bytes: its files are replaced, never changed."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, copy_function=os.link)
    # What a run before left to be written would be written during the next.
    os.sync()


def _digests(lake: Path) -> dict[str, str]:
    folder = lake / FEATURES_FOLDER
    return {
        str(path.relative_to(folder)): blake2b(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.parquet"))
    }
