"""Measure the remaining-time learner on logs that others have split, beside medians.

The protocol is that of public comparisons of remaining-time predictors (Rama-Maneiro and others,
"Deep learning for predictive business process monitoring", 2021, and after them): the error in
days of every prefix of at least two events of test workflows of at least three. The learner is
trained as a platform must be, on nothing that ended after the first test workflow began; the
medians of the public track know all that the protocol gives, those of the strict track no more
than the learner. The uncut track leaves the last log out and asks of the one before when its
workflows really ended; there the medians know what the learner does, too.
"""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from pipelines.bench.log_frames import feature_frame, read_logs
from pipelines.bench.measure import Contender, Told, Work, side_by_side
from pipelines.bench.prefix_medians import prefix_medians
from pipelines.bench.prefix_rows import Mask, PrefixRows, prefix_rows
from pipelines.bench.uncut_rows import uncut_rows
from pipelines.errors import BenchmarkError, TrainingError
from pipelines.learning import remaining_time
from pipelines.learning.examples import Examples, Values, age_ratios
from pipelines.learning.fit_encoder import fit_encoder
from pipelines.learning.metrics import HOUR_S
from pipelines.learning.problem import Problem

LEARNER: Final = "Workcast's remaining time"
CUT_TRACKS: Final = ("public", "strict")
UNCUT: Final = "uncut"
_DAY_HOURS: Final = 24.0
_DAY_S: Final = _DAY_HOURS * HOUR_S
_SAMPLES: Final = 1_000
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class PrefixError:
    """Error of one contender in days; bias above zero predicts too late.

    The interval of the mean absolute error holds 95 % of bootstrap samples of test workflows.
    """

    name: str
    mae_days: float
    mae_low_days: float
    mae_high_days: float
    median_absolute_error_days: float
    bias_days: float
    coverage_p10_p90_ratio: float | None = None


@dataclass(frozen=True)
class TrackFigures:
    """Errors on one track (public, strict or uncut), and what they are of.

    `known_prefix_count` prefixes make the medians, `overlap_count` of them in the test period;
    the learner learns from `train_prefix_count`, none of which is.
    """

    track: str
    known_prefix_count: int
    overlap_count: int
    train_prefix_count: int
    test_prefix_count: int
    test_workflow_count: int
    errors: tuple[PrefixError, ...]
    tried: tuple[dict[str, Any], ...]

    @property
    def best_median(self) -> PrefixError:
        """Return the best contender that is no model."""
        return min(self.errors[1:], key=lambda one: one.mae_days)


@dataclass(frozen=True)
class RemainingTimeFigures:
    """All tracks, and what reading, training and predicting took altogether.

    `why_not_uncut` says why that track is missing, where it is.
    """

    tracks: tuple[TrackFigures, ...]
    why_not_uncut: str
    seconds: float
    peak_mib: float


def measure_remaining_time(
    paths: Sequence[Path],
    mapping_path: Path | None,
    trial_count: int,
    seed: int = 0,
    told: Told = lambda _: None,
) -> RemainingTimeFigures:
    """Train on the earlier logs and measure on the last, in a process of its own.

    Of three logs the second is measured on as well, without the third, if the first tells enough.

    Args:
        paths: logs to train, to choose (or none) and to test on, in this order.
        mapping_path: see `read_logs`.
        trial_count: learners to try.
        seed: of search and trees.
        told: what is read and tried.

    Raises:
        BenchmarkError: too few prefixes on one side, or a workflow in two logs.
        LogFormatError, MappingError: see `read_logs`.
    """
    contender = Contender(LEARNER, partial(_prepare, tuple(paths), mapping_path, trial_count, seed))
    (measured,) = side_by_side([contender], 1, told=told)
    tracks, why_not_uncut = measured.result
    return RemainingTimeFigures(tracks, why_not_uncut, measured.median_s, measured.peak_mib)


def _prepare(paths: Sequence[Path], mapping_path: Path | None, trial_count: int, seed: int) -> Work:
    def work() -> tuple[tuple[TrackFigures, ...], str]:
        with tempfile.TemporaryDirectory(prefix="workcast-bench-") as folder:
            events = read_logs(paths, mapping_path, Path(folder), _log.info).events
        rows = prefix_rows(events)  # refuses what is too short before anything is trained
        # Trees grow outside Python's lock, on one thread each: two tests keep two cores busy.
        with ThreadPoolExecutor(max_workers=2) as pool:
            uncut = pool.submit(lambda: _tracks((UNCUT,), uncut_rows(events), trial_count, seed))
            cut = _tracks(CUT_TRACKS, rows, trial_count, seed)
            try:
                return cut + uncut.result(), ""
            except (BenchmarkError, TrainingError) as err:
                return cut, str(err)

    return work


def _tracks(
    names: Sequence[str], rows: PrefixRows, trial_count: int, seed: int
) -> tuple[TrackFigures, ...]:
    """Train once, and measure it on tracks of the same test."""
    answer = learned(rows, feature_frame(rows.frame), trial_count, seed)
    return tuple(_measured(name, rows, *answer) for name in names)


def known_rows(track: str, rows: PrefixRows) -> Mask:
    """Return the prefixes that the medians of a track are of."""
    return rows.public if track == "public" else rows.train


def _measured(
    track: str,
    rows: PrefixRows,
    predicted: Mapping[str, Values],
    tried: tuple[dict[str, Any], ...],
) -> TrackFigures:
    test = rows.frame[rows.test]
    actual = test["remaining_time_s"].to_numpy() / _DAY_S
    workflows = pd.factorize(test["workflow_id"])[0]
    low, high = (predicted[f"remaining_time_s_{end}"] / _DAY_S for end in ("p10", "p90"))
    own = _error(LEARNER, predicted["remaining_time_s"] / _DAY_S, actual, workflows)
    covered = float(((low <= actual) & (actual <= high)).mean())
    known = known_rows(track, rows)
    medians = prefix_medians(rows.frame[known], test)
    return TrackFigures(
        track=track,
        known_prefix_count=int(known.sum()),
        overlap_count=rows.overlap_count(known),
        train_prefix_count=int(rows.train.sum()),
        test_prefix_count=len(test),
        test_workflow_count=int(workflows.max()) + 1,
        errors=(
            PrefixError(**{**vars(own), "coverage_p10_p90_ratio": covered}),
            *(_error(name, of / _DAY_S, actual, workflows) for name, of in medians.items()),
        ),
        tried=tried,
    )


def learned(
    rows: PrefixRows,
    features: pd.DataFrame,
    trial_count: int,
    seed: int,
    problem: Problem = remaining_time.PROBLEM,
) -> tuple[dict[str, Values], tuple[dict[str, Any], ...]]:
    """Train as the platform does, on these masks; the encoder sees the rows to fit on alone.

    Args:
        rows: prefixes and masks.
        features: what may be read of them, as `feature_frame` returns it.
        trial_count: learners to try.
        seed: of search and trees.
        problem: what may be tried.

    Returns:
        The answers for the test prefixes in seconds, and everything that was tried.
    """
    encoder = fit_encoder(features[rows.fit])
    matrix = encoder.matrix(features)
    learned = rows.train
    examples = Examples(
        encoder=encoder,
        matrix=matrix[learned],
        target=remaining_time.to_target(rows.frame["remaining_time_s"])[learned],
        weight=rows.weight[learned],
        age_ratio=age_ratios(rows.frame.loc[learned, "as_of"]),
        fit=rows.fit[learned],
        validation=rows.validation[learned],
        workflow=pd.factorize(rows.frame.loc[learned, "workflow_id"])[0],
        search_weight=rows.search_weight[learned],
    )
    fitted = remaining_time.fit(examples, trial_count, seed, problem=problem)
    raw = {name: score.raw(matrix[rows.test]) for name, score in fitted.scores.items()}
    groups = remaining_time.groups_of(encoder, matrix[rows.test], fitted.constants["group_column"])
    answers = remaining_time.answers(raw, fitted.constants, groups)
    return answers, tuple(fitted.choice.tried)


def _error(name: str, predicted: Values, actual: Values, workflows: np.ndarray) -> PrefixError:
    error = predicted - actual
    sums = np.bincount(workflows, np.abs(error))
    counts = np.bincount(workflows)
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(sums), (_SAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return PrefixError(
        name,
        float(np.abs(error).mean()),
        float(low),
        float(high),
        float(np.median(np.abs(error))),
        float(error.mean()),
    )


def error_rows(track: TrackFigures) -> list[tuple[str, ...]]:
    """Return rows: contender, errors in days, share of the best median, coverage."""
    best = track.best_median.mae_days
    return [
        (
            one.name,
            f"{one.mae_days:.3f}",
            f"{one.mae_low_days:.2f} to {one.mae_high_days:.2f}",
            f"{one.median_absolute_error_days:.3f}",
            f"{one.bias_days:+.2f}",
            f"{one.mae_days / best:.3f}" if best else "",
            "" if one.coverage_p10_p90_ratio is None else f"{one.coverage_p10_p90_ratio:.0%}",
        )
        for one in track.errors
    ]
