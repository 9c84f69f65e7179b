"""Measure the delay-risk learner at every update of open workflows, beside shares and peers."""

import tempfile
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.bench.log_frames import read_logs
from pipelines.bench.measure import Contender, side_by_side
from pipelines.bench.sla_answers import ANSWERS, LEARNER, prepare
from pipelines.bench.sla_rows import SlaRows, sla_rows
from pipelines.history.choose import choose_mapping
from pipelines.history.mapping import load_mapping
from pipelines.learning.columns import find_column
from pipelines.learning.metrics import Metrics, reliability, risk_metrics

_UPDATE_BINS: Final = {"1": 1, "2": 2, "3": 3, "4-5": 5, "6-10": 10, "11+": None}


@dataclass(frozen=True)
class SlaResult:
    """Figures of one contender on the test rows, pooled and by number of updates so far."""

    name: str
    metrics: Metrics
    by_update_count: dict[str, Metrics]
    reliability: list[dict[str, Any]]
    seconds: float  # training and predicting
    peak_mib: float


@dataclass(frozen=True)
class SlaFigures:
    """What was measured, and on what."""

    late_rule: str
    resolved_activities: tuple[str, ...]
    test_start: str
    train_workflow_count: int
    train_row_count: int
    undecided_at_split_count: int
    not_followed_count: int
    undecided_count: int
    overdue_row_count: int
    test_workflow_count: int
    test_row_count: int
    test_rows_by_update_count: dict[str, int]
    results: tuple[SlaResult, ...]

    @property
    def learner(self) -> SlaResult:
        """Return the platform's result."""
        return next(one for one in self.results if one.name == LEARNER)


def measure_sla(
    path: Path,
    mapping_path: Path | None,
    trial_count: int,
    seed: int = 0,
    *,
    resolved: Collection[str] = (),
    test_ratio: float = 0.2,
    late_quantile: float = 0.8,
    progress: Callable[[str], None] = lambda _: None,
) -> SlaFigures:
    """Train each contender on the earlier workflows and measure it on the later ones.

    Args:
        path: event log.
        mapping_path: what its columns mean; None takes the shipped mapping that fits.
        trial_count: learners the platform tries.
        seed: of search and trees.
        resolved: activities from which on nothing is left to predict; none: the mapping's
            resolved and closing activities.
        test_ratio: share of the workflows to test on, the latest opened.
        late_quantile: of the lead time, for logs that have neither due dates nor outcomes.
        progress: told what is done.

    Raises:
        BenchmarkError: the log ends too soon after the split, or all or none of the rows of one
            side are late.
        TrainingError: one side has too few workflows.
        LogFormatError, MappingError: see `read_logs`.
    """
    closing = (load_mapping(mapping_path) if mapping_path else choose_mapping(path)).closing
    resolved = tuple(resolved) or (*closing.resolved_activities, *closing.activities)
    with tempfile.TemporaryDirectory(prefix="workcast-bench-") as name:
        folder = Path(name)
        frames = read_logs([path], mapping_path, folder / "log", progress)
        rows = sla_rows(frames, resolved, test_ratio, late_quantile)
        rows.train.to_parquet(folder / "train.parquet")
        rows.test.to_parquet(folder / "test.parquet")
        contenders = [
            Contender(one, partial(prepare, one, folder, trial_count, seed)) for one in ANSWERS
        ]
        measured = side_by_side(
            contenders, 1, lambda one, done, total: progress(f"{one}: {done} of {total}")
        )
    bins = _update_bins(rows.test)
    results = tuple(
        _result(one.name, one.result, rows.test, bins, one.median_s, one.peak_mib)
        for one in measured
    )
    return _figures(rows, resolved, bins, results)


def _update_bins(test: pd.DataFrame) -> npt.NDArray[np.str_]:
    counts = test[find_column(test, "event_count")].to_numpy(dtype=int)
    ends = [end for end in _UPDATE_BINS.values() if end is not None]
    return np.array(list(_UPDATE_BINS))[np.searchsorted(ends, counts)]


def _result(  # noqa: PLR0917
    name: str,
    probability: npt.NDArray[np.float64],
    test: pd.DataFrame,
    bins: npt.NDArray[np.str_],
    seconds: float,
    peak_mib: float,
) -> SlaResult:
    late = test["is_late"].to_numpy(dtype=bool)
    return SlaResult(
        name,
        risk_metrics(late, probability),
        {
            one: risk_metrics(late[bins == one], probability[bins == one])
            for one in _UPDATE_BINS
            if (bins == one).any()
        },
        [
            {str(name): value for name, value in row.items()}
            for row in reliability(late, probability).reset_index(names="tenth").to_dict("records")
        ],
        seconds,
        peak_mib,
    )


def _figures(
    rows: SlaRows,
    resolved: Collection[str],
    bins: npt.NDArray[np.str_],
    results: tuple[SlaResult, ...],
) -> SlaFigures:
    return SlaFigures(
        late_rule=rows.late_rule,
        resolved_activities=tuple(resolved),
        test_start=f"{rows.test_start:%Y-%m-%d %H:%M}",
        train_workflow_count=int(rows.train["workflow_id"].nunique()),
        train_row_count=len(rows.train),
        undecided_at_split_count=rows.undecided_at_split_count,
        not_followed_count=rows.not_followed_count,
        undecided_count=rows.undecided_count,
        overdue_row_count=rows.overdue_row_count,
        test_workflow_count=int(rows.test["workflow_id"].nunique()),
        test_row_count=len(rows.test),
        test_rows_by_update_count={one: int((bins == one).sum()) for one in _UPDATE_BINS},
        results=results,
    )


def sla_table(figures: SlaFigures) -> list[tuple[str, ...]]:
    """Return rows: contender, pooled figures, seconds, MiB."""
    names = ("auc", "average_precision", "brier", "calibration_error", "mean_probability")
    return [
        (
            one.name,
            *(f"{one.metrics[name]:.3f}" for name in names),
            f"{one.seconds:.1f}",
            f"{one.peak_mib:,.0f}",
        )
        for one in figures.results
    ]


def update_table(figures: SlaFigures) -> list[tuple[str, ...]]:
    """Return rows: contender, AUC at each number of updates so far."""
    return [
        (
            one.name,
            *(
                f"{auc:.3f}" if (auc := one.by_update_count[key]["auc"]) is not None else ""
                for key in one.by_update_count
            ),
        )
        for one in figures.results
    ]


def as_plain(figures: SlaFigures) -> dict[str, Any]:
    """Return the figures as plain values for JSON."""
    return asdict(figures)
