"""Updates of workflows that are not resolved yet, labelled and split as the platform does.

A log ends where somebody stopped it. Of the workflows opened shortly before, only those are known
that ended soon, and few of them are late: a model that is right about all of them would look wrong.
So the later workflows are those that were followed for long enough to tell.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import pandas as pd

from pipelines.bench.log_frames import LogFrames, feature_frame
from pipelines.errors import BenchmarkError
from pipelines.learning.columns import KNOWN_AT, WORKFLOW_ID
from pipelines.learning.labels import workflow_labels
from pipelines.learning.split import Part, split_at, split_by_time
from pipelines.learning.training_set import build_training_set, judged_rows, rows_of

_FOLLOWED_SHARE: Final = 0.99
_FEWEST: Final = 10


@dataclass(frozen=True)
class SlaRows:
    """Training and test rows as `build_training_set` makes them, and what was left out.

    `undecided_at_split_count` are earlier workflows of which it was not known at `test_start`
    whether they would be late, `not_followed_count` later ones opened too shortly before the log's
    end, `undecided_count` others of which the log does not tell, `overdue_row_count` updates of
    later workflows that were late already.
    """

    train: pd.DataFrame = field(repr=False)
    test: pd.DataFrame = field(repr=False)
    late_rule: str
    test_start: pd.Timestamp
    undecided_at_split_count: int
    not_followed_count: int
    undecided_count: int
    overdue_row_count: int


def sla_rows(
    frames: LogFrames, resolved: Collection[str], test_ratio: float, late_quantile: float
) -> SlaRows:
    """Take the updates before a workflow is first resolved; split them by opening.

    The latest opened `test_ratio` of the workflows test. Those train of which it was recorded
    before the first of them opened whether they are late: closed or overdue. Updates at one moment
    are one: what is known at that moment is known of all of them.

    Args:
        frames: of one log.
        resolved: activities from which on the outcome is settled.
        test_ratio: between 0 and 1.
        late_quantile: see `workflow_labels`.

    Raises:
        BenchmarkError: the log ends too soon after the split, or all or none of the rows of one
            side are late.
        TrainingError: one side has too few workflows.
    """
    events, workflows = frames.events, frames.workflows
    is_over = events["activity"].isin(resolved).groupby(events[WORKFLOW_ID]).cummax()
    is_last_of_moment = ~events.duplicated([WORKFLOW_ID, "as_of"], keep="last")
    moments = feature_frame(events[~is_over & is_last_of_moment])
    closed = workflows[workflows["closed_at"].notna()]
    closures = closed[[WORKFLOW_ID, "closed_at", "outcome_is_late"]].assign(
        recorded_at=closed["closure_recorded_at"]
    )
    test_start = split_by_time(workflows, closures, test_ratio).test_start
    happened = events[[WORKFLOW_ID, "as_of", "recorded_at"]].rename(
        columns={"as_of": "occurred_at"}
    )
    labels = workflow_labels(workflows, closures, late_quantile, test_start, happened)
    until = _followed_until(labels, test_start, events["as_of"].max())
    kept = labels[labels["opened_at"] <= until]
    split = split_at(kept.reset_index(), test_start)
    training_set = build_training_set(moments, kept, split)
    frame = training_set.frame
    sides = {Part.TRAIN: rows_of(frame, Part.TRAIN), Part.TEST: judged_rows(frame)}
    overdue_row_count = len(rows_of(frame, Part.TEST)) - len(sides[Part.TEST])
    for part, rows in sides.items():
        if rows["is_late"].nunique() < 2:  # noqa: PLR2004 - both classes
            raise BenchmarkError(
                f"All or none of the {len(rows)} {part.value} rows are late: nothing to tell apart."
            )
    return SlaRows(
        sides[Part.TRAIN],
        sides[Part.TEST],
        training_set.late_rule,
        test_start,
        split.open_at_split_count,
        len(labels) - len(kept),
        split.not_closed_count,
        overdue_row_count,
    )


def _followed_until(
    labels: pd.DataFrame, test_start: pd.Timestamp, log_end: pd.Timestamp
) -> pd.Timestamp:
    """Return the last opening that the log follows: as long as it takes to know 99 in 100.

    Where the log tells it of 99 in 100 of all later workflows, nothing was cut off.
    """
    opened_at, known_at = labels["opened_at"], labels[KNOWN_AT]
    is_later = opened_at >= test_start
    if known_at[is_later].notna().mean() >= _FOLLOWED_SHARE:
        return pd.Timestamp(opened_at.max())
    waits = (known_at - opened_at)[known_at < test_start].dt.total_seconds()
    wait = pd.Timedelta(seconds=float(waits.quantile(_FOLLOWED_SHARE)))
    until = log_end - wait
    if (is_later & (opened_at <= until)).sum() < _FEWEST:
        raise BenchmarkError(
            f"The log ends on {log_end:%Y-%m-%d}, {(log_end - test_start).days} days after the "
            f"first later workflow opened; to know whether it is late takes {wait.days}. "
            "Take a longer log or a larger share to test on."
        )
    return until
