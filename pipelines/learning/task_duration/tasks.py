"""Tasks of a history: when each of them was created, started and ended, and by whom."""

from typing import Final

import pandas as pd

from pipelines.contracts import Transition
from pipelines.learning.columns import AS_OF, WORKFLOW_ID, require_columns

_COLUMNS: Final = (
    WORKFLOW_ID,
    "task_id",
    "sequence",
    "activity",
    "transition",
    "person_id",
    "team_id",
    "occurred_at",
)
# A task is created and started once, the first time; the last end is its end.
_MOMENTS: Final = {
    "created_at": (Transition.CREATED, "first"),
    "started_at": (Transition.STARTED, "first"),
    "completed_at": (Transition.COMPLETED, "last"),
    "cancelled_at": (Transition.CANCELLED, "last"),
}


def history_tasks(task_events: pd.DataFrame) -> pd.DataFrame:
    """Derive tasks from their events.

    Args:
        task_events: columns of `lake/history/task_events`, as known at some moment.

    Returns:
        task_id, workflow_id, activity, person_id (the last one named), team_id (the first one
        named: whom the task was for, not who had it in the end), created_at, started_at,
        completed_at, cancelled_at; in the order of the first event.

    Raises:
        TrainingError: a column is missing.
    """
    require_columns(task_events, _COLUMNS, "task events")
    events = task_events.sort_values(["occurred_at", WORKFLOW_ID, "sequence"], kind="stable")
    by_task = events.groupby("task_id", sort=False)
    tasks = by_task[[WORKFLOW_ID, "activity"]].first()
    tasks["person_id"], tasks["team_id"] = by_task["person_id"].last(), by_task["team_id"].first()
    for name, (transition, which) in _MOMENTS.items():
        found = events[events["transition"] == transition.value].groupby("task_id")["occurred_at"]
        tasks[name] = found.agg(which)
    return tasks.reset_index()


def task_events_at(task_events: pd.DataFrame) -> pd.DataFrame:
    """Return the events as `task_spans` reads them: `as_of` is when they happened."""
    return task_events.rename(columns={"occurred_at": AS_OF})
