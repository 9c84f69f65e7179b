"""Prefixes of event logs to learn from and to be judged on, by the public protocol and strictly.

The public protocol takes logs that others have split: all but the last may be learned from, and
workflows of both sides may run at the same time. The strict track knows only the workflows that
had ended before the first test workflow began, as a platform must. Whatever else may be learned
from, the learner takes what a platform would: what it says on both tracks is the same.

The last log ends where its publisher stopped, with workflows that had not: to predict when they
are last heard of is to predict too early. The workflows that had ended before the test are cut
alike, so here they stand for themselves, and the latest of them validate. See `uncut_rows`.
"""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.errors import BenchmarkError

Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]

_FEWEST_ROWS: Final = 20
_FEWEST_EVENTS: Final = 3  # of a scored workflow
_VALIDATION_RATIO: Final = 0.2


@dataclass(frozen=True)
class PrefixRows:
    """Prefixes that have a next event, with masks of equal length.

    `frame` has the columns of `LogFrames.events` and remaining_time_s, to the workflow's last
    event. `public` are all prefixes of the logs before the last. `train`, those of workflows that
    had ended before the first test workflow began, is what is learned from; of these the latest
    opened fifth, `validation`, chooses what the ones that had ended before it, `fit`, learned.
    `test` are the scored prefixes: of two events at least, of test workflows of at least three.
    `weight` and `search_weight` are those of `Examples`.
    """

    frame: pd.DataFrame = field(repr=False)
    public: Mask
    fit: Mask
    validation: Mask
    train: Mask
    test: Mask
    weight: Values
    search_weight: Values

    def overlap_count(self, known: Mask) -> int:
        """Return how many of some prefixes lie at or after the first test workflow's start."""
        start = self.frame.loc[self.test, "opened_at"].min()
        return int((self.frame["as_of"][known] >= start).sum())


def prefix_rows(events: pd.DataFrame) -> PrefixRows:
    """Split logs as they are split, the last one for testing, and what is learned from by time.

    Args:
        events: `LogFrames.events` of at least two logs, or the frame of what this returned.

    Raises:
        BenchmarkError: too few prefixes on one side.
    """
    frame = _with_labels(events)
    log, last = frame["log"].to_numpy(), int(frame["log"].max())
    scored = is_scored(frame)
    opened_at, closed_at = frame["opened_at"], frame["last_event_at_total"]
    test_start = opened_at[log == last].min()
    train = (log < last) & (closed_at < test_start).to_numpy()
    if not train.any():
        raise BenchmarkError("No workflow had ended when the first test workflow began.")
    start = _late_opening(frame[train])
    validation = train & (opened_at >= start).to_numpy() & scored
    return _checked(
        frame,
        public=log < last,
        fit=train & (closed_at < start).to_numpy(),
        validation=validation,
        train=train,
        test=(log == last) & scored,
    )


def all_known_rows(rows: PrefixRows) -> PrefixRows:
    """Learn from all that the public protocol gives, whether it had ended or not.

    Workflows opened before the first one to validate on are fitted on, however long they last.
    """
    start = rows.frame.loc[rows.validation, "opened_at"].min()
    is_late = (rows.frame["opened_at"] >= start).to_numpy()
    return replace(
        rows,
        fit=rows.public & ~is_late,
        validation=rows.public & is_late & is_scored(rows.frame),
        train=rows.public,
        weight=np.ones(len(rows.frame)),
        search_weight=np.ones(len(rows.frame)),
    )


def is_scored(frame: pd.DataFrame) -> Mask:
    """Return which prefixes the protocol scores: of two events, of workflows of three, at least."""
    is_long = frame["event_count_total"] >= _FEWEST_EVENTS
    return np.asarray(is_long & (frame["prefix_length"] >= 2))  # noqa: PLR2004 - the protocol's


def _late_opening(frame: pd.DataFrame) -> pd.Timestamp:
    """Return when the latest opened fifth of the workflows begins."""
    openings = frame.groupby("workflow_id")["opened_at"].first().sort_values()
    return pd.Timestamp(openings.iloc[int(len(openings) * (1 - _VALIDATION_RATIO))])


def _with_labels(events: pd.DataFrame) -> pd.DataFrame:
    if events["log"].max() < 1:
        raise BenchmarkError("One log only: give at least one to train on and one to test on.")
    frame = events[events["prefix_length"] < events["event_count_total"]].reset_index(drop=True)
    remaining = frame["last_event_at_total"] - frame["as_of"]
    return frame.assign(remaining_time_s=remaining.dt.total_seconds())


def _checked(frame: pd.DataFrame, **masks: Mask) -> PrefixRows:
    for name, mask in masks.items():
        if mask.sum() < _FEWEST_ROWS:
            raise BenchmarkError(
                f"{int(mask.sum())} prefixes for the part {name}, at least {_FEWEST_ROWS} are "
                "needed: give longer logs."
            )
    alike = np.ones(len(frame))
    return PrefixRows(frame, weight=alike, search_weight=alike, **masks)
