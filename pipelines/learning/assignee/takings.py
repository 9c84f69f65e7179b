"""Turn a history into the tasks that people took, in order, with what was known when asking."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.assignee.follow import NOWHERE, FollowedTask, TaskEvent, TaskFollower
from pipelines.learning.columns import AS_OF, PART, WORKFLOW_ID, require_columns
from pipelines.learning.split import TimeSplit

EVENT_COLUMNS: Final = (
    "event_id",
    WORKFLOW_ID,
    "task_id",
    "sequence",
    "activity",
    "transition",
    "person_id",
    "team_id",
    "occurred_at",
    "recorded_at",
)
WORKFLOW_COLUMNS: Final = (WORKFLOW_ID, "template_id", "client_id", "priority", "due_at")
_FOLLOWED: Final = (WORKFLOW_ID, "task_id", "transition", "person_id")


def task_takings(
    task_events: pd.DataFrame, workflows: pd.DataFrame, split: TimeSplit | None = None
) -> pd.DataFrame:
    """Return one row per task that somebody took, in order of taking.

    Args:
        task_events: the history's; one that names nobody takes no task.
        workflows: the history's; what was recorded after a task was asked for is not told.
        split: gives each row its `part`, null where the workflow stands on neither side.

    Returns:
        workflow_id, task_id, activity, person_id, team_id, `task_team_id` (as known when asked
        for); template_id, client_id, priority and due_at of the workflow; `asked_at`, `as_of`
        (taken) and `left_at`, each the moment it was known, and the places of these moments in
        the order of all events (`asked_place`, `place`, `left_place`); `took_s` from taking to
        completion, or since the workflow's previous event where only the completion is told.
        NaT, -1 and NaN: not (yet) left.

    Raises:
        TrainingError: a column is missing, or nobody took anything.
    """
    require_columns(task_events, EVENT_COLUMNS, "task events")
    require_columns(workflows, (*WORKFLOW_COLUMNS, "recorded_at"), "workflows")
    events = in_order(task_events)
    tasks = _followed(events)
    if not tasks:
        raise TrainingError(
            f"None of {len(events)} task events names a person: nobody can be recommended. "
            "Map the column that says who does a task."
        )
    frame = _told(events, tasks)
    known = workflows.drop_duplicates(WORKFLOW_ID).set_index(WORKFLOW_ID)
    of_workflow = known.reindex(frame[WORKFLOW_ID]).reset_index(drop=True)
    is_known = of_workflow["recorded_at"] <= frame["asked_at"]
    for name in WORKFLOW_COLUMNS[1:]:
        frame[name] = of_workflow[name].where(is_known)
    return frame if split is None else frame.assign(**{PART: frame[WORKFLOW_ID].map(split.parts)})


def in_order(task_events: pd.DataFrame) -> pd.DataFrame:
    """Return events in the order they became known, with `as_of`, the moment of it."""
    as_of = task_events[["occurred_at", "recorded_at"]].max(axis=1)
    return task_events.assign(**{AS_OF: as_of}).sort_values(
        [AS_OF, "sequence", "event_id"], ignore_index=True
    )


def _followed(events: pd.DataFrame) -> list[FollowedTask]:
    """Return the tasks somebody took, in order of taking."""
    follower = TaskFollower()
    people = events["person_id"].astype(object).where(events["person_id"].notna(), None)
    columns = [*(events[name].tolist() for name in _FOLLOWED[:-1]), people.tolist()]
    tasks: list[FollowedTask] = []
    for event in map(TaskEvent, range(len(events)), *columns):
        task = follower.read(event)
        if task is not None and task.taken_place == event.place:
            tasks.append(task)
    return tasks


def _told(events: pd.DataFrame, tasks: list[FollowedTask]) -> pd.DataFrame:
    asked, began, taken, left = (
        np.array([getattr(task, name) for task in tasks], dtype=np.int64)
        for name in ("asked_place", "began_place", "taken_place", "left_place")
    )
    told = [WORKFLOW_ID, "task_id", "activity", "person_id", "team_id", AS_OF]
    frame = _at(events[told], taken)
    # Where nothing tells of the task or its workflow before, it is asked for as it is taken.
    at_asking, is_left = _at(events, asked), left != NOWHERE
    is_told = (asked != NOWHERE) & (at_asking[WORKFLOW_ID] == frame[WORKFLOW_ID])
    is_at_once = left == taken
    begin = np.where(is_at_once & (began != NOWHERE), began, taken)
    took = _at(events, left)["occurred_at"] - _at(events, begin)["occurred_at"]
    is_timed = np.array([task.is_done for task in tasks]) & ~(is_at_once & (began == NOWHERE))
    is_same_task = is_told & (at_asking["task_id"] == frame["task_id"])
    return frame.assign(
        task_team_id=at_asking["team_id"].where(is_same_task),
        asked_at=at_asking[AS_OF].where(is_told, frame[AS_OF]),
        left_at=_at(events, left)[AS_OF].where(is_left),
        asked_place=asked,
        place=taken,
        left_place=left,
        took_s=took.dt.total_seconds().clip(lower=0.0).where(is_timed),
    )


def _at(events: pd.DataFrame, places: npt.NDArray[np.int64]) -> pd.DataFrame:
    return events.iloc[places.clip(min=0)].reset_index(drop=True)
