"""Tasks of one event log to learn durations from and to be judged on."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.errors import BenchmarkError
from pipelines.learning.intervals import Values
from pipelines.learning.split import censoring_weights
from pipelines.learning.task_duration.features import task_features
from pipelines.learning.task_duration.spans import Span, task_spans

Mask = npt.NDArray[np.bool_]

_FIT_RATIO, _LEARN_RATIO = 0.64, 0.8  # of the workflows, in the order of their start
_FEWEST_ROWS: Final = 100
_BESIDE: Final = ("fit", "validation", "weight", "search_weight")
_SIDES: Final = ("to fit on", "to validate on", "to test on")


@dataclass(frozen=True)
class DurationRows:
    """Features of tasks that were known before the first test workflow started, and of test tasks.

    `known` are ended tasks of the first 80 % of the workflows; `fit` and `validation` are masks
    of it: the first 64 %, as far as they had ended when the first of the others started, and
    the next 16 %. `test` are the ended tasks of the last 20 %. Of the known ones `weight` says how
    many tasks each stands for, as the long ones had less time to end, and `search_weight` the same
    when only those to fit on and those to validate on are looked at.
    """

    known: pd.DataFrame = field(repr=False)
    fit: Mask
    validation: Mask
    test: pd.DataFrame = field(repr=False)
    test_start: pd.Timestamp
    weight: Values
    search_weight: Values

    @property
    def validating(self) -> pd.DataFrame:
        """The rows of `known` to validate on."""
        return self.known[self.validation]

    def save(self, folder: Path) -> None:
        """Write the rows as Parquet into `folder`."""
        beside = {name: getattr(self, name) for name in _BESIDE}
        self.known.assign(**beside).to_parquet(folder / "known.parquet")
        self.test.assign(test_start=self.test_start).to_parquet(folder / "test.parquet")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        known = pd.read_parquet(folder / "known.parquet")
        test = pd.read_parquet(folder / "test.parquet")
        return cls(
            known=known.drop(columns=list(_BESIDE)),
            **{name: known[name].to_numpy() for name in _BESIDE},
            test=test.drop(columns="test_start"),
            test_start=test["test_start"].iloc[0],
        )


def choose_span(tasks: pd.DataFrame, wanted: Span | None) -> Span:
    """Return the wanted span, or the service time where the log has starts, else the sojourn."""
    if wanted is not None:
        return wanted
    timed = (tasks["started_at"].notna() & tasks["completed_at"].notna()).sum()
    return Span.SERVICE if timed >= len(_SIDES) * _FEWEST_ROWS else Span.SOJOURN


def duration_rows(tasks: pd.DataFrame, events: pd.DataFrame, span: Span) -> DurationRows:
    """Split the tasks of a log by the start of their workflows: 64 %, 16 % and 20 %.

    Args:
        tasks: of one log's `LogFrames`.
        events: of the same.
        span: which duration.

    Raises:
        BenchmarkError: too few tasks on one side.
    """
    features = task_features(task_spans(tasks, events, span), events)
    features = features[features["duration_s"].notna()].reset_index(drop=True)
    started = events.groupby("workflow_id")["as_of"].min().sort_values(kind="stable")
    place = pd.Series(np.arange(len(started)) / max(len(started), 1), index=started.index)
    of_row = features["workflow_id"].map(place).to_numpy(dtype=float)
    validation_start = started[(place >= _FIT_RATIO).to_numpy()].min()
    test_start = started[(place >= _LEARN_RATIO).to_numpy()].min()

    is_known = (of_row < _LEARN_RATIO) & (features["ended_at"] < test_start).to_numpy()
    known, test = features[is_known], features[of_row >= _LEARN_RATIO]
    is_first = of_row[is_known] < _FIT_RATIO
    fit = is_first & (known["ended_at"] < validation_start).to_numpy()
    for side, count in zip(_SIDES, (fit.sum(), (~is_first).sum(), len(test)), strict=True):
        if count < _FEWEST_ROWS:
            raise BenchmarkError(
                f"{int(count)} tasks {side} have a {span.value}, at least {_FEWEST_ROWS} are "
                "needed: take a longer log, or another span."
            )
    search_weight = np.ones(len(known))
    # Whatever happens to a workflow is when its next task may begin.
    begun = events["as_of"]
    for mask, of, end in (
        (fit, begun, validation_start),
        (~is_first, begun[begun >= validation_start], test_start),
    ):
        search_weight[mask] = _weights(known[mask], of, end)
    return DurationRows(
        known=known.reset_index(drop=True),
        fit=fit,
        validation=~is_first,
        test=test.reset_index(drop=True),
        test_start=test_start,
        weight=_weights(known, begun, test_start),
        search_weight=search_weight,
    )


def _weights(ended: pd.DataFrame, begun: pd.Series, end: pd.Timestamp) -> Values:
    took = ended["ended_at"] - ended["as_of"]
    return censoring_weights(begun[begun < end], took, end).to_numpy(dtype=float)
