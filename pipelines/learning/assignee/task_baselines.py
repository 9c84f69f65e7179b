"""Simple answers to who takes a task, counted on the training tasks."""

from collections.abc import Iterable
from typing import Final

import numpy as np
import pandas as pd

from pipelines.learning.assignee.baselines import Situation, back_off, by_column
from pipelines.learning.assignee.coded_log import NONE, Ints, Mask, Values
from pipelines.learning.assignee.pairs import Pairs
from pipelines.learning.assignee.task_log import TaskLog
from pipelines.learning.columns import WORKFLOW_ID

MOST_FREQUENT_FOR_ACTIVITY: Final = "most_frequent_for_activity"
_LONGEST: Final = {"most_frequent": 0, MOST_FREQUENT_FOR_ACTIVITY: 1, "n_gram": 2}


def baseline_scores(
    takings: pd.DataFrame, tasks: TaskLog, train: Mask, pairs: Pairs
) -> dict[str, Values]:
    """Score the pairs by each baseline.

    Most frequent: by how many training tasks someone took, overall; of the activity; and
    (`n_gram`) of the activity where the same person had taken the workflow's last task, each
    backing off to the one before. The last one on the activity is known up to the asking.

    Args:
        takings: the coded frame, in order of place.
        tasks: the frame in codes.
        train: rows that may be counted.
        pairs: questions with their candidates.
    """
    present = present_people(takings, tasks.person)

    def situations(rows: Ints, longest: int) -> Iterable[list[Situation]]:
        for row in rows.tolist():
            strictest = (tasks.log.events[row].activity, int(present[row]))
            yield [strictest[:length] for length in range(longest + 1)]

    rows = np.flatnonzero(train)
    scores = {
        name: back_off(
            zip(situations(rows, longest), tasks.person[rows].tolist(), strict=True),
            situations(pairs.position, longest),
            pairs,
            len(tasks.log.people),
        )
        for name, longest in _LONGEST.items()
    }
    return scores | {"last_on_activity": by_column(pairs, "since_task_activity_s", -1)}


def present_people(takings: pd.DataFrame, person: Ints) -> Ints:
    """Return who had taken the workflow's last task when each one was asked about, else NONE."""
    taken = takings[[WORKFLOW_ID, "place"]].assign(person=person)
    asked = takings[[WORKFLOW_ID, "asked_place"]].assign(row=np.arange(len(takings)))
    found = pd.merge_asof(
        asked.sort_values("asked_place"),
        taken.sort_values("place"),
        left_on="asked_place",
        right_on="place",
        by=WORKFLOW_ID,
    ).sort_values("row")
    present: Ints = found["person"].fillna(NONE).to_numpy(dtype=np.int64)
    return present
