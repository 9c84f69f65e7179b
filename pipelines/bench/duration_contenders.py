"""Who answers how long test tasks take: quantiles of groups, and the learner."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from pipelines.bench.duration_data import DurationRows
from pipelines.bench.measure import Contender, Work
from pipelines.learning.intervals import Values, calibrate
from pipelines.learning.recalibration import recalibrated_daily
from pipelines.learning.task_duration.baselines import BY_ACTIVITY, BY_PERSON, group_quantile
from pipelines.learning.task_duration.fit import Fitted, fit_task_duration
from pipelines.learning.task_duration.model import (
    INTERVALS,
    MEDIAN,
    activity_groups,
    in_seconds,
    to_score,
)
from pipelines.learning.task_duration.spans import Span

LEARNER: Final = "Workcast's task duration"
FOLLOWING: Final = "the same, recalibrated daily"
_EQUAL_TAILS: Final = {"80": (0.1, 0.9), "90": (0.05, 0.95)}
_LEARNERS_TAILS: Final = {"80": (0.1, 0.9), "90": (0.025, 0.925)}
_UNIT_S: Final = 60.0  # of the scores by which baselines are calibrated: log(1 + minutes)


def contenders(folder: Path, span: Span, trial_count: int, seed: int) -> list[Contender]:
    """Return those who answer for the rows saved in `folder`.

    Each returns its answers by name: frames of `duration_figures.ANSWERS` in seconds.
    """
    return [
        Contender(name, partial(_prepare, name, folder, span, trial_count, seed))
        for name in ANSWERING
    ]


def _prepare(name: str, folder: Path, span: Span, trial_count: int, seed: int) -> Work:
    rows = DurationRows.load(folder)
    return lambda: ANSWERING[name](rows, span, trial_count, seed)


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


def _by_groups(
    rows: DurationRows, _span: Span, _trial_count: int, _seed: int
) -> dict[str, pd.DataFrame]:
    groups = {"by activity": BY_ACTIVITY, "by activity and person": BY_PERSON}
    naive = {name: _naive(keys, rows) for name, keys in groups.items()}
    return naive | {f"{name}, conformal": _conformal(keys, rows) for name, keys in groups.items()}


def _learners(
    rows: DurationRows, span: Span, trial_count: int, seed: int
) -> dict[str, pd.DataFrame]:
    fitted = fit_task_duration(
        rows.known,
        rows.fit,
        rows.validation,
        span,
        weight=rows.weight,
        search_weight=rows.search_weight,
        trial_count=trial_count,
        seed=seed,
    )
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
    answers = in_seconds(model.span, scores[MEDIAN], ends, model.unit_s)
    return pd.DataFrame(answers, index=test.index)


def _named(span: Span, predicted: pd.DataFrame) -> pd.DataFrame:
    names = {span.value: "median"} | {
        f"{span.value}_{end}{name}": f"{end}{name}" for name in INTERVALS for end in ("low", "high")
    }
    return predicted.rename(columns=names)


_Answer = Callable[[DurationRows, Span, int, int], dict[str, pd.DataFrame]]
ANSWERING: Final[Mapping[str, _Answer]] = {
    "medians and quantiles of groups": _by_groups,
    LEARNER: _learners,
}
