"""Split workflows by time: learn from those that had ended, judge on those that came after."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.columns import KNOWN_AT, PART, WORKFLOW_ID, require_columns

_LONGEST_WEIGHT: Final = 5.0


class Part(StrEnum):
    """Side of the split a workflow's rows stand on; a workflow never stands on both."""

    TRAIN = "train"
    TEST = "test"


@dataclass(frozen=True)
class TimeSplit:
    """Workflows on either side of `test_start`, and how many had to be left out.

    What is to be learned of the training workflows was recorded before `test_start`, the opening
    of the first test workflow: their closing, or for delay risk that they would be late. Left out
    are those of which it was not (`open_at_split_count`) and those opened later of which it is not
    known yet (`not_closed_count`).
    """

    test_start: pd.Timestamp
    train_start: pd.Timestamp
    test_end: pd.Timestamp  # opening of the last test workflow
    train_count: int
    test_count: int
    open_at_split_count: int
    not_closed_count: int
    parts: pd.Series = field(repr=False)  # workflow_id -> Part, of the workflows that are kept
    weights: pd.Series = field(repr=False)  # workflow_id -> how many of its side it stands for

    @property
    def workflow_ids(self) -> pd.Index:
        """Ids of the workflows on either side, for which moments are worth sampling."""
        return self.parts.index


def split_by_time(
    workflows: pd.DataFrame,
    closures: pd.DataFrame,
    test_ratio: float,
    *,
    min_train: int = 30,
    min_test: int = 10,
) -> TimeSplit:
    """Split workflows so that training knows only what was recorded before the test begins.

    The test side is the latest-opened `test_ratio` share of the closed workflows, whole
    openings at one instant on one side.

    Args:
        workflows: one row per workflow: workflow_id, opened_at.
        closures: one row per closed workflow: workflow_id, closed_at, recorded_at.
        test_ratio: between 0 and 1.
        min_train: fewest training workflows to go on with.
        min_test: fewest test workflows to go on with.

    Raises:
        TrainingError: too few workflows on one side; says how many there are and are needed.
    """
    require_columns(workflows, [WORKFLOW_ID, "opened_at"], "workflows")
    require_columns(closures, [WORKFLOW_ID, "closed_at", "recorded_at"], "closures")
    known = workflows[[WORKFLOW_ID, "opened_at"]].merge(
        closures[[WORKFLOW_ID, "recorded_at"]], on=WORKFLOW_ID, how="left"
    )
    known = known.rename(columns={"recorded_at": KNOWN_AT})
    closed_at = known.loc[known[KNOWN_AT].notna(), "opened_at"].sort_values()
    needed = max(min_train, min_test)
    if len(closed_at) < needed:
        raise TrainingError(
            f"{len(closed_at)} of {len(known)} workflows have ended; at least {needed} must have: "
            "import more history or wait until more workflows close."
        )
    position = min(len(closed_at) - 1, int(np.floor(len(closed_at) * (1 - test_ratio))))
    return split_at(known, closed_at.iloc[position], min_train=min_train, min_test=min_test)


def split_at(
    known: pd.DataFrame, test_start: pd.Timestamp, *, min_train: int = 30, min_test: int = 10
) -> TimeSplit:
    """Split workflows at a moment by when what is to be learned of them was known.

    Args:
        known: one row per workflow: workflow_id, opened_at, label_known_at (missing where it is
            not known).
        test_start: opening of the first test workflow.
        min_train: fewest training workflows to go on with.
        min_test: fewest test workflows to go on with.

    Raises:
        TrainingError: too few workflows on one side; says how many there are and are needed.
    """
    known = known.sort_values(["opened_at", WORKFLOW_ID], ignore_index=True)
    before = known["opened_at"] < test_start
    is_train = before & (known[KNOWN_AT] < test_start)
    is_test = ~before & known[KNOWN_AT].notna()
    counts = {"training": (int(is_train.sum()), min_train), "test": (int(is_test.sum()), min_test)}
    for side, (count, least) in counts.items():
        if count < least:
            raise TrainingError(
                f"Split at {test_start:%Y-%m-%d %H:%M}: {count} {side} workflows, at least {least} "
                f"are needed ({int((before & ~is_train).sum())} of {len(known)} were still open "
                "then). Import a longer history or change the test ratio."
            )
    parts = pd.Series(Part.TRAIN.value, index=known[WORKFLOW_ID], name=PART)
    parts[is_test.to_numpy()] = Part.TEST.value
    return TimeSplit(
        test_start=test_start,
        train_start=known.loc[is_train, "opened_at"].iloc[0],
        test_end=known.loc[is_test, "opened_at"].iloc[-1],
        train_count=counts["training"][0],
        test_count=counts["test"][0],
        open_at_split_count=int((before & ~is_train).sum()),
        not_closed_count=int((~before & ~is_test).sum()),
        parts=parts[(is_train | is_test).to_numpy()],
        weights=pd.concat(
            [
                _weights(known[before], known[is_train], test_start),
                _weights(known[~before], known[is_test], known[KNOWN_AT].max()),
            ]
        ),
    )


def _weights(side: pd.DataFrame, known: pd.DataFrame, end: pd.Timestamp) -> pd.Series:
    known = known.set_index(WORKFLOW_ID)
    return censoring_weights(side["opened_at"], known[KNOWN_AT] - known["opened_at"], end)


def censoring_weights(
    opened_at: pd.Series,
    lead_time: pd.Series,
    end: pd.Timestamp,
    count: pd.Series | None = None,
) -> pd.Series:
    """Weigh closed workflows so that they stand for the open ones that had to be left out.

    A workflow of lead time L is among the closed only if it was opened by `end` - L, so long
    ones are under-represented near the end. The inverse of the share of openings early enough
    is the inverse-probability-of-censoring weight (Robins and Rotnitzky, 1992) where the moment
    of censoring is known for everyone; it is capped at 5.

    Args:
        opened_at: opening of every workflow of a period, closed by its `end` or not.
        lead_time: of the closed ones, until it was known that they had ended.
        end: when the period ends for them all; what closed later is not known.
        count: how many workflows each opening stands for; one where None.

    Returns:
        A weight of at least one for each lead time, with its index.
    """
    openings = opened_at.to_numpy()
    order = np.argsort(openings, kind="stable")
    counts = np.ones(len(openings)) if count is None else count.to_numpy(dtype=float)[order]
    until = np.concatenate([[0.0], np.cumsum(counts)])
    early = until[np.searchsorted(openings[order], (end - lead_time).to_numpy(), side="right")]
    weights = until[-1] / np.maximum(early, until[-1] / _LONGEST_WEIGHT)
    return pd.Series(weights, index=lead_time.index, name="weight")
