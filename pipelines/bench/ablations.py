"""Take one choice or one kind of feature away at a time, to see what carries the remaining time."""

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from pipelines.bench.log_frames import feature_frame, read_logs
from pipelines.bench.prefix_medians import prefix_medians
from pipelines.bench.prefix_rows import PrefixRows, all_known_rows, prefix_rows
from pipelines.bench.remaining_time import CUT_TRACKS, UNCUT, known_rows, learned
from pipelines.bench.uncut_rows import uncut_rows
from pipelines.errors import BenchmarkError, TrainingError
from pipelines.learning.column_sets import EVERYTHING, OWN_HISTORY
from pipelines.learning.examples import Values
from pipelines.learning.metrics import HOUR_S
from pipelines.learning.remaining_time import PROBLEM
from pipelines.learning.space import Learner, Space

Progress = Callable[[str], None]

WHOLE: Final = "the learner as it is"
BEST_MEDIANS: Final = {track: f"best median, {track}" for track in CUT_TRACKS}
_PARTS: Final = ("train", "val", "test")
_DAY_S: Final = 24 * HOUR_S
_SPACE: Final = PROBLEM.space


@dataclass(frozen=True)
class Ablation:
    """Other rows or weights, a narrower search, or columns (a pattern) that are not read."""

    name: str
    space: Space = _SPACE
    one_trial: bool = False
    of_rows: Callable[[PrefixRows], PrefixRows] = lambda rows: rows
    without: str | None = None


def _latest_validate(rows: PrefixRows) -> PrefixRows:
    """Let the latest opened of those that had ended choose, though only short ones had."""
    latest = prefix_rows(rows.frame)
    return replace(rows, fit=latest.fit, validation=latest.validation, search_weight=latest.weight)


def _alike(rows: PrefixRows) -> PrefixRows:
    """Let no workflow stand for those that had not ended."""
    alike = np.ones(len(rows.frame))
    return replace(rows, weight=alike, search_weight=alike)


ABLATIONS: Final = (
    Ablation(WHOLE),
    Ablation("learns from workflows not ended too", of_rows=all_known_rows),
    Ablation("none stands for what had not ended", of_rows=_alike),
    Ablation("the latest ended validate", of_rows=_latest_validate),
    Ablation("neither", of_rows=lambda rows: _alike(_latest_validate(rows))),
    Ablation("no search: the defaults, once", one_trial=True),
    Ablation("up to three pairs blended", replace(_SPACE, most_trials=3)),
    Ablation("boosted trees alone", replace(_SPACE, learners=(Learner.BOOSTING,))),
    Ablation("forests alone", replace(_SPACE, learners=(Learner.FOREST,))),
    Ablation("never drawn to zero", replace(_SPACE, shrinks=False)),
    Ablation("recent rows not weighted", replace(_SPACE, half_lives=("none",))),
    Ablation("weights by age earn nothing", replace(_SPACE, recency_gain=0.0)),
    Ablation("own history alone", replace(_SPACE, column_sets=(OWN_HISTORY,))),
    Ablation("every column always", replace(_SPACE, column_sets=(EVERYTHING,))),
    Ablation("columns earn nothing", replace(_SPACE, least_gain=0.0)),
    Ablation("without elapsed times", without=r"elapsed|since_previous|task_age|waiting"),
    Ablation("without earlier activities", without=r"previous_activity|activity_counts|distinct"),
    Ablation("without people and teams", without=r"person|team|handover"),
    Ablation("without attributes", without=r"_attributes$"),
    Ablation("without hour and weekday", without=r"^(hour|weekday)$"),
)


@dataclass(frozen=True)
class AblationResult:
    """Mean absolute error in days of one ablation, by log."""

    name: str
    mae_days: Mapping[str, float] = field(default_factory=dict)

    def ratio(self, other: "AblationResult") -> float:
        """Return the geometric mean, over the logs, of its error as a share of another's."""
        shares = [mae / other.mae_days[log] for log, mae in self.mae_days.items()]
        return float(np.exp(np.mean(np.log(shares))))


def split_logs(folder: Path) -> dict[str, list[Path]]:
    """Find logs split into train_<log>, val_<log> and test_<log> files.

    Raises:
        BenchmarkError: the folder holds none that is complete.
    """
    found = {}
    for test in sorted(folder.glob("test_*")):
        parts = [test.with_name(part + test.name.removeprefix("test")) for part in _PARTS]
        if all(part.is_file() for part in parts):
            found[test.name.removeprefix("test_").split(".")[0]] = parts
    if not found:
        raise BenchmarkError(f"{folder} holds no train_<log>, val_<log> and test_<log> of one log.")
    return found


def measure_ablations(
    logs: Mapping[str, Sequence[Path]],
    trial_count: int,
    seed: int,
    progress: Progress,
    ablations: Sequence[Ablation] = ABLATIONS,
) -> list[AblationResult]:
    """Measure every ablation on every log, cut and uncut, and the best medians beside it.

    Args:
        logs: paths of train, validation and test, by name.
        trial_count: learners that each search tries.
        seed: of search and trees.
        progress: told what is done.
        ablations: what to take away; the first is the whole.

    Raises:
        BenchmarkError, LogFormatError, MappingError: see `measure_remaining_time`.
    """
    names = [*(one.name for one in ablations), *BEST_MEDIANS.values()]
    errors: dict[str, dict[str, float]] = {name: {} for name in names}
    for log, paths in logs.items():
        with tempfile.TemporaryDirectory(prefix="workcast-bench-") as folder:
            events = read_logs(paths, None, Path(folder)).events
        for name, rows in _tracks(log, events, progress):
            test = rows.frame[rows.test]
            actual = test["remaining_time_s"].to_numpy()
            for one in ablations:
                progress(f"{name}: {one.name}")
                said, _ = learned(
                    one.of_rows(rows),
                    _without(feature_frame(rows.frame), one.without),
                    1 if one.one_trial else trial_count,
                    seed,
                    replace(PROBLEM, space=one.space),
                )
                errors[one.name][name] = _mae_days(said["remaining_time_s"], actual)
            for track, median in BEST_MEDIANS.items():
                medians = prefix_medians(rows.frame[known_rows(track, rows)], test).values()
                errors[median][name] = min(_mae_days(of, actual) for of in medians)
    return [AblationResult(name, of) for name, of in errors.items()]


def _tracks(log: str, events: pd.DataFrame, progress: Progress) -> Iterator[tuple[str, PrefixRows]]:
    yield log, prefix_rows(events)
    try:
        rows = uncut_rows(events)
    except (BenchmarkError, TrainingError) as err:
        progress(f"{log} is not measured uncut: {err}")
    else:
        yield f"{log}, {UNCUT}", rows


def ablation_rows(results: Sequence[AblationResult]) -> tuple[list[str], list[list[str]]]:
    """Return a header and rows: error relative to the whole, then days by log."""
    whole = results[0]
    header = ["", "of whole", *whole.mae_days]
    rows = [
        [
            one.name,
            f"{one.ratio(whole):.3f}",
            *(f"{mae:.3f}" for mae in one.mae_days.values()),
        ]
        for one in results
    ]
    return header, rows


def _mae_days(said_s: Values, actual_s: Values) -> float:
    return float(np.abs(said_s - actual_s).mean() / _DAY_S)


def _without(features: pd.DataFrame, pattern: str | None) -> pd.DataFrame:
    if pattern is None:
        return features
    names = {name: name.rpartition("__")[2] for name in features.columns}
    kept = {"workflow_id", "as_of"}
    return features[[n for n, base in names.items() if n in kept or not re.search(pattern, base)]]
