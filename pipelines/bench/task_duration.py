"""Measure the task-duration learner on an event log, beside medians and quantiles of groups.

Workflows are split 64 / 16 / 20 by their start. Everyone learns from the tasks of the first 80 %
that had ended before the first test workflow started. The person and the activity of a task are
known when it begins.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipelines.bench.duration_contenders import contenders
from pipelines.bench.duration_data import choose_span, duration_rows
from pipelines.bench.duration_figures import Figures, figures
from pipelines.bench.log_frames import read_logs
from pipelines.bench.measure import Progress, side_by_side
from pipelines.learning.search import TRIAL_COUNT
from pipelines.learning.task_duration.model import activity_groups
from pipelines.learning.task_duration.spans import Span

HEADER: Final = (
    *("", "MAE", "median AE", "pinball 10 %", "50 %", "90 %"),
    *("80 % covers", "width", "score", "90 % covers", "width", "score"),
    *("by activity", "seconds", "peak MiB"),
)
_SHOWN: Final = {
    "mae_minutes": ".2f",
    "median_absolute_error_minutes": ".2f",
    "pinball_p10_minutes": ".3f",
    "pinball_p50_minutes": ".3f",
    "pinball_p90_minutes": ".3f",
    "coverage_80_ratio": ".3f",
    "width_80_minutes": ".2f",
    "interval_score_80_minutes": ".1f",
    "coverage_90_ratio": ".3f",
    "width_90_minutes": ".2f",
    "interval_score_90_minutes": ".1f",
}


@dataclass(frozen=True)
class DurationResult:
    """Figures of one contender on the test tasks."""

    name: str
    figures: Figures
    seconds: float  # training and predicting; both of the learner's together
    peak_mib: float


@dataclass(frozen=True)
class DurationFigures:
    """What was measured, and on how many tasks."""

    span: str
    fit_task_count: int
    validation_task_count: int
    known_task_count: int
    test_task_count: int
    test_start: str
    results: tuple[DurationResult, ...]


def measure_task_duration(
    log: Path,
    mapping_path: Path | None,
    span: Span | None = None,
    *,
    trial_count: int = TRIAL_COUNT,
    seed: int = 0,
    progress: Progress | None = None,
) -> DurationFigures:
    """Train each contender on the earlier tasks of a log and measure it on the later ones.

    Args:
        log: event log, CSV or XES.
        mapping_path: what its columns mean; None takes the shipped mapping that fits.
        span: which duration; None takes the service time where the log has starts, else the
            sojourn time.
        trial_count: learners to try.
        seed: of the search and the trees.
        progress: see `side_by_side`.

    Raises:
        BenchmarkError: too few tasks on one side.
        LogFormatError, MappingError: see `read_log`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        frames = read_logs(
            [log],
            mapping_path,
            folder / "log",
            lambda what: progress(what, 0, 1) if progress else None,
        )
        span = choose_span(frames.tasks, span)
        rows = duration_rows(frames.tasks, frames.events, span)
        rows.save(folder)
        measured = side_by_side(contenders(folder, span, trial_count, seed), 1, progress)
    actual_s = rows.test["duration_s"].to_numpy(dtype=float)
    activity = activity_groups(rows.test)
    return DurationFigures(
        span=span.value,
        fit_task_count=int(rows.fit.sum()),
        validation_task_count=int(rows.validation.sum()),
        known_task_count=len(rows.known),
        test_task_count=len(rows.test),
        test_start=f"{rows.test_start:%Y-%m-%d %H:%M}",
        results=tuple(
            DurationResult(name, figures(actual_s, answers, activity), one.median_s, one.peak_mib)
            for one in measured
            for name, answers in one.result.items()
        ),
    )


def duration_table(shown: DurationFigures) -> list[tuple[str, ...]]:
    """Return a row of texts for each contender, in the order of `HEADER`."""
    rows = []
    for one in shown.results:
        metrics = one.figures.metrics
        shares = [float(row["coverage_90_ratio"]) for row in one.figures.by_activity]
        rows.append(
            (
                one.name,
                *(f"{metrics[name]:{form}}" for name, form in _SHOWN.items()),
                f"{min(shares):.3f}-{max(shares):.3f}" if shares else "",
                f"{one.seconds:.1f}",
                f"{one.peak_mib:,.0f}",
            )
        )
    return rows
