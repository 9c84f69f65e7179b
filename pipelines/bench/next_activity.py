"""Measure the next-activity learner on event logs, beside the majority class and a trigram.

Every event is a question: what follows it, or is it the last? The last log tests, the one before
chooses where there are three, and all but the last train. Prediction is by position: of events
at one instant only those before in the log are known.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.bench.log_rows import read_rows
from pipelines.bench.measure import Contender, Work, side_by_side
from pipelines.errors import BenchmarkError
from pipelines.learning.next_activity.fit import fit_next_activity
from pipelines.learning.next_activity.measure import counted, share_metrics
from pipelines.learning.next_activity.prefixes import next_activities, prefix_features
from pipelines.learning.next_activity.vocabulary import Vocabulary

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Progress = Callable[[str], None]

MAJORITY: Final = "majority class"
TRIGRAM: Final = "trigram with back-off"
LEARNER: Final = "Workcast"

_VALIDATION_RATIO: Final = 0.2
_MOST_LOGS: Final = 3
_DRAWS: Final = 1_000


@dataclass(frozen=True)
class NextActivityResult:
    """A contender's figures: accuracy, macro_f1 (of the classes that occur), hit_at_3 and mrr.

    `lead_ratio` is its accuracy less the trigram's, with the 95 % interval of a bootstrap by
    workflow.
    """

    name: str
    metrics: Mapping[str, float]
    lead_ratio: tuple[float, float, float]
    seconds: float
    peak_mib: float


@dataclass(frozen=True)
class NextActivityFigures:
    """What was asked of whom, and the results."""

    class_count: int
    train_event_count: int
    test_event_count: int
    test_workflow_count: int
    tied_ratio: float  # of the test events: at the instant of the workflow's next event
    results: tuple[NextActivityResult, ...]


def measure_next_activity(
    paths: Sequence[Path],
    mapping_path: Path | None = None,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> NextActivityFigures:
    """Train each contender on all logs but the last and measure it on the last.

    Args:
        paths: logs to train on, to choose on (may be left out), and to test on.
        mapping_path: what their columns mean; None takes the shipped mapping that fits.
        seed: of the trees.
        progress: told what is done.

    Raises:
        BenchmarkError: not two or three logs, or a workflow occurs in two.
        LogFormatError, MappingError, TrainingError: see `read_log`, `fit_next_activity`.
    """
    if not 1 < len(paths) <= _MOST_LOGS:
        raise BenchmarkError(f"{len(paths)} logs: give one to train on and one to test on.")
    rows = read_rows(paths, mapping_path, progress)
    with tempfile.TemporaryDirectory(prefix="workcast-bench-") as scratch:
        path = Path(scratch) / "rows.parquet"
        rows.to_parquet(path)
        contenders = [Contender(name, partial(_prepare, name, path, seed)) for name in _CONTENDERS]
        measured = side_by_side(contenders, 1, lambda name, done, total: progress(name))
    is_test = rows["log"].to_numpy() == len(paths) - 1
    train, test = rows[~is_test], rows[is_test]
    vocabulary = Vocabulary.of(train["activity"])
    actual = vocabulary.class_codes(next_activities(test))
    hits = {one.name: one.result.argmax(axis=1) == actual for one in measured}
    results = tuple(
        NextActivityResult(
            one.name,
            share_metrics(one.result, actual),
            _lead(hits[one.name], hits[TRIGRAM], test["workflow_id"]),
            one.median_s,
            one.peak_mib,
        )
        for one in measured
    )
    return NextActivityFigures(
        class_count=len(vocabulary.classes),
        train_event_count=len(train),
        test_event_count=len(test),
        test_workflow_count=int(test["workflow_id"].nunique()),
        tied_ratio=float(test.duplicated(["workflow_id", "as_of"], keep="last").mean()),
        results=results,
    )


def next_activity_rows(figures: NextActivityFigures) -> list[tuple[str, ...]]:
    """Return rows: contender, figures, lead over the trigram with its interval, seconds, MiB."""
    rows = []
    for one in figures.results:
        lead, low, high = (f"{100 * value:+.1f}" for value in one.lead_ratio)
        rows.append(
            (
                one.name,
                *(f"{one.metrics[key]:.3f}" for key in ("accuracy", "macro_f1")),
                *(f"{one.metrics[key]:.3f}" for key in ("hit_at_3", "mrr")),
                "" if one.name == TRIGRAM else f"{lead} [{low}, {high}]",
                f"{one.seconds:.1f}",
                f"{one.peak_mib:,.0f}",
            )
        )
    return rows


def validation_mask(train: pd.DataFrame) -> Mask:
    """Return the mask of the events that choose: the second log, or the latest fifth of one."""
    if train["log"].max() > 0:
        return np.asarray(train["log"] == train["log"].max())
    openings = train.groupby("workflow_id")["as_of"].min().sort_values(kind="stable")
    later = openings.index[int(len(openings) * (1 - _VALIDATION_RATIO)) :]
    return np.asarray(train["workflow_id"].isin(later))


def _lead(hits: Mask, others: Mask, workflow_ids: pd.Series) -> tuple[float, float, float]:
    """Return the difference of two accuracies and its interval, drawing whole workflows."""
    codes, names = pd.factorize(workflow_ids)
    gained = np.bincount(codes, hits.astype(float) - others, len(names))
    sizes = np.bincount(codes, minlength=len(names))
    drawn = np.random.default_rng(0).integers(0, len(names), (_DRAWS, len(names)))
    means = gained[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(gained.sum() / sizes.sum()), float(low), float(high)


def _prepare(name: str, path: Path, seed: int) -> Work:
    rows = pd.read_parquet(path)
    is_test = rows["log"] == rows["log"].max()
    return lambda: _CONTENDERS[name](rows[~is_test], rows[is_test], seed)


def _counted(length: int, train: pd.DataFrame, test: pd.DataFrame, _seed: int) -> Values:
    return counted(length, train, test)


def _learner(train: pd.DataFrame, test: pd.DataFrame, seed: int) -> Values:
    model = fit_next_activity(train, validation_mask(train), seed)
    return model.probabilities(prefix_features(test))


_CONTENDERS: Final[Mapping[str, Callable[[pd.DataFrame, pd.DataFrame, int], Values]]] = {
    MAJORITY: partial(_counted, 0),
    TRIGRAM: partial(_counted, 2),
    LEARNER: _learner,
}
