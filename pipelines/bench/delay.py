"""Measure the delay-risk learner on a table of issues, beside simple shares and a random forest.

The protocol is that of Choetkiertikul, Dam, Tran and Ghose, "Predicting the delay of issues with
due dates in software projects" (Empirical Software Engineering, 2017): issues in the order they
were opened, the first N train, the rest test; delayed means `delaydays` > 0.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from pipelines.bench.measure import Contender, Progress, Work, side_by_side
from pipelines.errors import BenchmarkError
from pipelines.learning import delay_risk
from pipelines.learning.columns import AS_OF, WORKFLOW_ID
from pipelines.learning.examples import Examples, age_ratios
from pipelines.learning.fit_encoder import fit_encoder
from pipelines.learning.metrics import Metrics, risk_metrics
from pipelines.learning.search import TRIAL_COUNT

Values = npt.NDArray[np.float64]
Late = npt.NDArray[np.bool_]

LEARNER: Final = "Workcast's delay risk"
_KEY, _DELAY, _OPENED = "issuekey", "delaydays", "openeddate"
# The share of the person's issues that were late: over the whole history, it may be hindsight.
SUSPECT: Final = "perofdelay"
_KINDS: Final = ("type", "priority")
_VALIDATION_RATIO: Final = 0.2
_FEWEST_ROWS: Final = 100
_PRIOR_ROWS: Final = 20
_SHOWN: Final = ("auc", "average_precision", "brier", "calibration_error")


@dataclass(frozen=True)
class DelayResult:
    """Figures of one contender on the test rows, with or without the suspect column."""

    name: str
    has_suspect: bool
    metrics: Metrics
    seconds: float  # training and predicting
    peak_mib: float


@dataclass(frozen=True)
class DelayFigures:
    """What was measured, and on how many rows."""

    train_row_count: int
    test_row_count: int
    test_delayed_count: int
    results: tuple[DelayResult, ...]


def measure_delay(
    path: Path, train_row_count: int, seed: int = 0, progress: Progress | None = None
) -> DelayFigures:
    """Train each contender on the first rows and measure it on the rest.

    Args:
        path: CSV file, plain or compressed, with issuekey, delaydays, openeddate and features.
        train_row_count: rows to train on, in the order of opening.
        seed: of the trees.
        progress: see `side_by_side`.

    Raises:
        BenchmarkError: the file is no such table, is too short, or one side has one class only.
    """
    frame = read_issues(path, train_row_count)
    actual = (frame[_DELAY] > 0).to_numpy()[train_row_count:]
    with_suspect = (True, False) if SUSPECT in frame.columns else (False,)
    keys = [(name, has_suspect) for has_suspect in with_suspect for name in _CONTENDERS]
    contenders = [
        Contender(
            f"{name}, {'with' if has_suspect else 'without'} {SUSPECT}",
            partial(_prepare, name, path, train_row_count, seed, has_suspect=has_suspect),
        )
        for name, has_suspect in keys
    ]
    measured = side_by_side(contenders, 1, progress)
    results = [
        DelayResult(*key, risk_metrics(actual, one.result), one.median_s, one.peak_mib)
        for key, one in zip(keys, measured, strict=True)
    ]
    return DelayFigures(train_row_count, len(actual), int(actual.sum()), tuple(results))


def read_issues(path: Path, train_row_count: int) -> pd.DataFrame:
    """Read the table in the order of opening.

    Raises:
        BenchmarkError: the file is no such table, is too short, or one side has one class only.
    """
    try:
        frame = pd.read_csv(path)
        frame = frame.assign(
            **{
                _DELAY: pd.to_numeric(frame[_DELAY]),
                AS_OF: pd.to_datetime(frame[_OPENED], utc=True),
                WORKFLOW_ID: frame[_KEY].astype(str),
            }
        )
    except KeyError as err:
        raise BenchmarkError(f"{path} has no column {err.args[0]}.") from err
    except (OSError, EOFError, ValueError) as err:
        raise BenchmarkError(
            f"Cannot read issues from {path}: {' '.join(str(err).split())}"
        ) from err
    most = len(frame) - _FEWEST_ROWS
    if not _FEWEST_ROWS <= train_row_count <= most:
        raise BenchmarkError(
            f"{train_row_count} rows to train on, of {len(frame)} in {path}: each side needs "
            f"{_FEWEST_ROWS}."
        )
    frame = frame.sort_values(AS_OF, kind="stable", ignore_index=True)
    late = frame[_DELAY] > 0
    for side, values in (("train", late[:train_row_count]), ("test", late[train_row_count:])):
        if values.all() or not values.any():
            raise BenchmarkError(f"All or none of the {len(values)} {side} rows are delayed.")
    return frame


def delay_rows(figures: DelayFigures) -> list[tuple[str, ...]]:
    """Return rows: contender, whether it reads the suspect column, figures, seconds, MiB."""
    return [
        (
            one.name,
            "yes" if one.has_suspect else "no",
            *(f"{one.metrics[name]:.3f}" for name in _SHOWN),
            f"{one.seconds:.1f}",
            f"{one.peak_mib:,.0f}",
        )
        for one in figures.results
    ]


def _prepare(name: str, path: Path, train_row_count: int, seed: int, *, has_suspect: bool) -> Work:
    frame = read_issues(path, train_row_count)
    late = (frame[_DELAY] > 0).to_numpy()[:train_row_count]
    left_out = [_KEY, _DELAY, _OPENED, *([] if has_suspect else [SUSPECT])]
    rows = frame.drop(columns=left_out, errors="ignore")
    train, test = rows[:train_row_count], rows[train_row_count:]
    return lambda: _CONTENDERS[name](train, late, test, seed)


def _share(_train: pd.DataFrame, late: Late, test: pd.DataFrame, _seed: int) -> Values:
    return np.full(len(test), late.mean())


def _grouped_share(train: pd.DataFrame, late: Late, test: pd.DataFrame, _seed: int) -> Values:
    """Return the share of each kind of issue, drawn towards the whole's by twenty rows."""
    keys = [name for name in _KINDS if name in train.columns]
    if not keys:
        return _share(train, late, test, _seed)
    groups = train[keys].astype(str).agg("|".join, axis=1)
    known = pd.Series(late, index=groups.index, dtype=float).groupby(groups)
    shares = (known.sum() + _PRIOR_ROWS * late.mean()) / (known.count() + _PRIOR_ROWS)
    of_test = test[keys].astype(str).agg("|".join, axis=1).map(shares)
    return of_test.fillna(late.mean()).to_numpy(dtype=float)


def _forest(train: pd.DataFrame, late: Late, test: pd.DataFrame, seed: int) -> Values:
    encoder = fit_encoder(train)
    # Several threads add up in the order they end, and the last digit changes from run to run.
    forest = RandomForestClassifier(300, min_samples_leaf=3, n_jobs=1, random_state=seed)
    forest.fit(encoder.matrix(train), late)
    return np.asarray(forest.predict_proba(encoder.matrix(test))[:, 1])


def _learner(train: pd.DataFrame, late: Late, test: pd.DataFrame, seed: int) -> Values:
    """Train as the platform does: the latest fifth of the training rows validates."""
    encoder = fit_encoder(train)
    validation = np.arange(len(train)) >= len(train) * (1 - _VALIDATION_RATIO)
    examples = Examples(
        encoder=encoder,
        matrix=encoder.matrix(train),
        target=late.astype(float),
        weight=np.ones(len(train)),
        age_ratio=age_ratios(train[AS_OF]),
        fit=~validation,
        validation=validation,
    )
    fitted = delay_risk.fit(examples, TRIAL_COUNT, seed)
    raw = {name: score.raw(encoder.matrix(test)) for name, score in fitted.scores.items()}
    return delay_risk.answers(raw, fitted.constants)["late_probability"]


_CONTENDERS: Final[Mapping[str, Callable[[pd.DataFrame, Late, pd.DataFrame, int], Values]]] = {
    "share of all": _share,
    "share by type and priority": _grouped_share,
    "random forest": _forest,
    LEARNER: _learner,
}
