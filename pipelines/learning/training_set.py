"""The rows a model is trained and judged on: labelled, split and weighted."""

from dataclasses import dataclass, field

import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.columns import (
    AS_OF,
    KNOWN_AT,
    OVERDUE,
    PART,
    WEIGHT,
    WORKFLOW_ID,
    require_columns,
)
from pipelines.learning.labels import add_labels
from pipelines.learning.late_limits import LateLimits
from pipelines.learning.split import Part, TimeSplit


@dataclass(frozen=True)
class TrainingSet:
    """Labelled rows with `part` (train or test), ordered by as_of.

    Rows about running workflows have a `censoring_weight` too: how many of their side each stands
    for, as the long ones had less time to end. `late_rule` is the rule most rows were labelled by,
    where lateness matters; `censored_row_count` and `left_out_row_count` are the moments without a
    label, and those on neither side. Beyond the `late_limits` no label is needed.
    """

    frame: pd.DataFrame = field(repr=False)
    split: TimeSplit
    late_rule: str = ""
    censored_row_count: int = 0
    left_out_row_count: int = 0
    late_limits: LateLimits | None = None


def build_training_set(
    moments: pd.DataFrame,
    labels: pd.DataFrame,
    split: TimeSplit,
    late_limits: LateLimits | None = None,
) -> TrainingSet:
    """Label prediction moments and put each on its side of the split.

    A training workflow that had not ended when the test began gives its moments until then.

    Args:
        moments: workflow_id, as_of and the features as known then; not changed.
        labels: of `workflow_labels`.
        split: made from the same workflows.
        late_limits: that the labels were made by, where it is lateness that is learned.

    Raises:
        TrainingError: a column is missing, or a side has no row.
    """
    labelled = add_labels(moments, labels)
    part = labelled[WORKFLOW_ID].map(split.parts)
    is_early = (part == Part.TEST.value) | (labelled[AS_OF] < split.test_start)
    frame = labelled.assign(
        **{PART: part, WEIGHT: labelled[WORKFLOW_ID].map(split.weights).fillna(1.0).astype(float)}
    )[part.notna() & is_early]
    for side in Part:
        if not (frame[PART] == side.value).any():
            raise TrainingError(
                f"None of {len(moments)} prediction moments is of a {side.value} workflow "
                f"(split at {split.test_start:%Y-%m-%d %H:%M}): sample moments of the workflows "
                "of the split."
            )
    is_censored = labelled[KNOWN_AT].isna()
    return TrainingSet(
        frame=frame.sort_values([AS_OF, WORKFLOW_ID], kind="stable", ignore_index=True),
        split=split,
        late_rule=str(frame["late_rule"].mode().iloc[0]),
        censored_row_count=int(is_censored.sum()),
        left_out_row_count=int((~is_censored).sum()) - len(frame),
        late_limits=late_limits,
    )


def rows_of(frame: pd.DataFrame, part: Part) -> pd.DataFrame:
    """Return one side's rows of a training set's frame.

    Raises:
        TrainingError: the frame has no `part`, or no row of it.
    """
    require_columns(frame, [PART, WORKFLOW_ID, AS_OF], "training rows")
    rows = frame[frame[PART] == part.value].reset_index(drop=True)
    if rows.empty:
        raise TrainingError(f"The training set of {len(frame)} rows has no {part.value} row.")
    return rows


def judged_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the test rows that tell how good a model of running workflows is.

    Those at which a workflow was overdue do not: that it is late is no prediction.

    Raises:
        TrainingError: see `rows_of`; or there is no such row.
    """
    rows = rows_of(frame, Part.TEST)
    if OVERDUE in rows:
        rows = rows[~rows[OVERDUE].astype(bool)].reset_index(drop=True)
    if rows.empty:
        raise TrainingError("All test rows are of workflows that were overdue already.")
    return rows
