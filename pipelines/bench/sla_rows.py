"""Updates of workflows that are not resolved yet, labelled and split as the platform does."""

from collections.abc import Collection
from dataclasses import dataclass, field

import pandas as pd

from pipelines.bench.log_frames import LogFrames, feature_frame
from pipelines.errors import BenchmarkError
from pipelines.learning.split import Part, split_by_time
from pipelines.learning.training_set import build_training_set, rows_of


@dataclass(frozen=True)
class SlaRows:
    """Training and test rows as `build_training_set` makes them, and how many were left out."""

    train: pd.DataFrame = field(repr=False)
    test: pd.DataFrame = field(repr=False)
    late_rule: str
    test_start: pd.Timestamp
    open_at_split_count: int


def sla_rows(
    frames: LogFrames, resolved: Collection[str], test_ratio: float, late_quantile: float
) -> SlaRows:
    """Take the updates before a workflow is first resolved; split them by opening.

    The latest opened `test_ratio` of the workflows test; those whose closing was recorded before
    the first of them opened train. Updates at one moment are one: what is known at that moment
    is known of all of them.

    Args:
        frames: of one log.
        resolved: activities from which on the outcome is settled.
        test_ratio: between 0 and 1.
        late_quantile: see `build_training_set`.

    Raises:
        BenchmarkError: all or none of the rows of one side are late.
        TrainingError: one side has too few workflows.
    """
    events, workflows = frames.events, frames.workflows
    is_over = events["activity"].isin(resolved).groupby(events["workflow_id"]).cummax()
    is_last_of_moment = ~events.duplicated(["workflow_id", "as_of"], keep="last")
    moments = feature_frame(events[~is_over & is_last_of_moment])
    closed = workflows[workflows["closed_at"].notna()]
    closures = closed[["workflow_id", "closed_at", "outcome_is_late"]].assign(
        recorded_at=closed["closure_recorded_at"]
    )
    split = split_by_time(workflows, closures, test_ratio)
    training_set = build_training_set(moments, workflows, closures, split, late_quantile)
    sides = {part: rows_of(training_set.frame, part) for part in Part}
    for part, rows in sides.items():
        if rows["is_late"].nunique() < 2:  # noqa: PLR2004 - both classes
            raise BenchmarkError(
                f"All or none of the {len(rows)} {part.value} rows are late: nothing to tell apart."
            )
    return SlaRows(
        sides[Part.TRAIN],
        sides[Part.TEST],
        training_set.late_rule,
        split.test_start,
        split.open_at_split_count,
    )
