"""Measure the task-duration learner on an event log, beside medians and quantiles of groups.

Workflows are split 64 / 16 / 20 by their start. Everyone learns from the tasks of the first 80 %
that had ended before the first test workflow started. The person and the activity of a task are
known when it begins.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from pipelines.bench.duration_baselines import BY_ACTIVITY, BY_PERSON, group_quantile
from pipelines.bench.duration_data import DurationRows, choose_span, duration_rows
from pipelines.bench.duration_figures import Figures, figures
from pipelines.bench.log_frames import read_logs
from pipelines.bench.measure import Contender, Progress, Work, side_by_side
from pipelines.learning.intervals import Values, calibrate
from pipelines.learning.recalibration import recalibrated_daily
from pipelines.learning.task_duration import (
    INTERVALS,
    MEDIAN,
    Fitted,
    activity_groups,
    fit_task_duration,
    in_seconds,
    to_score,
)
from pipelines.learning.task_spans import Span

LEARNER: Final = "Workcast's task duration"
FOLLOWING: Final = "the same, recalibrated daily"
_EQUAL_TAILS: Final = {"80": (0.1, 0.9), "90": (0.05, 0.95)}
_LEARNERS_TAILS: Final = {"80": (0.1, 0.9), "90": (0.025, 0.925)}
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
_UNIT_S: Final = 60.0  # of the scores by which baselines are calibrated: log(1 + minutes)


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
    seed: int = 0,
    progress: Progress | None = None,
) -> DurationFigures:
    """Train each contender on the earlier tasks of a log and measure it on the later ones.

    Args:
        log: event log, CSV or XES.
        mapping_path: what its columns mean; None takes the shipped mapping that fits.
        span: which duration; None takes the service time where the log has starts, else the
            sojourn time.
        seed: of the trees.
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
            lambda what: progress(what, 0, len(_CONTENDERS)) if progress else None,
        )
        span = choose_span(frames, span)
        rows = duration_rows(frames, span)
        rows.save(folder)
        contenders = [
            Contender(name, partial(_prepare, name, folder, span, seed)) for name in _CONTENDERS
        ]
        measured = side_by_side(contenders, 1, progress)
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


def _prepare(name: str, folder: Path, span: Span, seed: int) -> Work:
    rows = DurationRows.load(folder)
    return lambda: _CONTENDERS[name](rows, span, seed)


def _naive(keys: Sequence[str], rows: DurationRows) -> pd.DataFrame:
    """Answer with the groups' median and equal-tailed quantiles, as they are."""
    answers = {"median": group_quantile(rows.known, rows.test, keys, 0.5)}
    for name, (low, high) in _EQUAL_TAILS.items():
        answers[f"low{name}"] = group_quantile(rows.known, rows.test, keys, low)
        answers[f"high{name}"] = group_quantile(rows.known, rows.test, keys, high)
    return pd.DataFrame(answers)


def _conformal(keys: Sequence[str], rows: DurationRows) -> pd.DataFrame:
    """Answer with the groups' quantiles, calibrated and with tails as the learner's are."""
    answers = _naive(keys, rows)
    validating = rows.validating
    for name, tails in _LEARNERS_TAILS.items():
        margins = calibrate(
            *_scores(rows.known[rows.fit], validating, keys, tails),
            to_score(validating["duration_s"], _UNIT_S),
            activity_groups(validating),
            INTERVALS[name][2],
            symmetric=True,
        )
        ends = margins.widen(
            *_scores(rows.known, rows.test, keys, tails), activity_groups(rows.test)
        )
        answers[f"low{name}"], answers[f"high{name}"] = (
            np.maximum(np.expm1(end), 0) * _UNIT_S for end in ends
        )
    return answers


def _scores(
    train: pd.DataFrame, rows: pd.DataFrame, keys: Sequence[str], tails: tuple[float, float]
) -> tuple[Values, Values]:
    low, high = (to_score(group_quantile(train, rows, keys, tail), _UNIT_S) for tail in tails)
    return low, high


def _by_groups(rows: DurationRows, _span: Span, _seed: int) -> dict[str, pd.DataFrame]:
    groups = {"by activity": BY_ACTIVITY, "by activity and person": BY_PERSON}
    naive = {name: _naive(keys, rows) for name, keys in groups.items()}
    return naive | {f"{name}, conformal": _conformal(keys, rows) for name, keys in groups.items()}


def _learners(rows: DurationRows, span: Span, seed: int) -> dict[str, pd.DataFrame]:
    fitted = fit_task_duration(rows.known, rows.fit, rows.validation, span, seed=seed)
    return {
        LEARNER: _named(span, fitted.model.predict(rows.test)),
        FOLLOWING: _named(span, _following(fitted, rows)),
    }


def _following(fitted: Fitted, rows: DurationRows) -> pd.DataFrame:
    """Calibrate each day's intervals on the latest outcomes known when the day began."""
    model, validating, test = fitted.model, rows.validating, rows.test
    scores = model.scores(test)
    ends: dict[str, tuple[Values, Values]] = {}
    for name, (low, high, coverage) in INTERVALS.items():
        predicted = pd.concat(
            [
                of[["as_of", "ended_at"]].assign(
                    lower=known[low],
                    upper=known[high],
                    actual=to_score(of["duration_s"], model.unit_s),
                    group=activity_groups(of),
                    is_test=is_test,
                )
                for of, known, is_test in (
                    (validating, fitted.validation_scores, False),
                    (test, scores, True),
                )
            ],
            ignore_index=True,
        )
        lower, upper = recalibrated_daily(predicted, rows.test_start.floor("D"), coverage)
        is_test = predicted["is_test"].to_numpy()
        ends[name] = (lower[is_test], upper[is_test])
    return in_seconds(model.span, scores[MEDIAN], ends, model.unit_s, test.index)


def _named(span: Span, predicted: pd.DataFrame) -> pd.DataFrame:
    names = {span.value: "median"} | {
        f"{span.value}_{end}{name}": f"{end}{name}" for name in INTERVALS for end in ("low", "high")
    }
    return predicted.rename(columns=names)


_Answer = Callable[[DurationRows, Span, int], dict[str, pd.DataFrame]]
_CONTENDERS: Final[Mapping[str, _Answer]] = {
    "medians and quantiles of groups": _by_groups,
    LEARNER: _learners,
}
