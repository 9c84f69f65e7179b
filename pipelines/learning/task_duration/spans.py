"""Spans of tasks to learn durations from: from which moment to which, by whom.

The kinds are those of `pipelines.features.durations`: waiting from ready to started, service
from started to completed, sojourn from ready to completed. A task is ready when it was created;
where the log does not tell, when the workflow's event before it happened.
"""

from enum import StrEnum
from typing import Final

import numpy as np
import pandas as pd

from pipelines.contracts import Transition
from pipelines.learning.columns import AS_OF, WORKFLOW_ID, require_columns

_TASK_COLUMNS: Final = [
    "task_id",
    WORKFLOW_ID,
    "activity",
    "person_id",
    "created_at",
    "started_at",
    "completed_at",
    "cancelled_at",
]
_EVENT_COLUMNS: Final = [WORKFLOW_ID, "activity", "transition", "person_id", AS_OF]
_INSTANT: Final = pd.Timedelta(microseconds=1)


class Span(StrEnum):
    """Which part of a task's life is asked about; the value is the duration's name."""

    WAITING = "waiting_time_s"
    SERVICE = "service_time_s"
    SOJOURN = "sojourn_time_s"


def task_spans(tasks: pd.DataFrame, events: pd.DataFrame, span: Span) -> pd.DataFrame:
    """Return when each task's span began and ended, in order of its beginning.

    The person of a service time is the one whom the start names; whoever completes the task
    later may be someone else. Waiting and sojourn times are asked for before anyone has begun:
    their person is the task's, an assumption of the question as the activity is.

    Args:
        tasks: task_id, workflow_id, activity, person_id, created_at, started_at, completed_at,
            cancelled_at.
        events: workflow_id, activity, transition, person_id, as_of of the same workflows.
        span: which duration.

    Returns:
        task_id, workflow_id, activity, person_id ("" where unknown); done_by, the task's person,
        for a service time known with its end only; as_of, the moment of the
        question, before which everything is known; ended_at and duration_s (missing where the
        span has no end yet); left_at, when the person was free of it (ended or cancelled);
        waited_s, how long a started task had been ready.

    Raises:
        TrainingError: a column is missing.
    """
    require_columns(tasks, _TASK_COLUMNS, "tasks")
    require_columns(events, _EVENT_COLUMNS, "events")
    tasks = tasks[_TASK_COLUMNS].reset_index(drop=True)
    ready_at, asked_at = _ready(tasks, events)
    ends = tasks["started_at" if span is Span.WAITING else "completed_at"]
    begins = tasks["started_at"] if span is Span.SERVICE else ready_at
    person = _starters(tasks, events) if span is Span.SERVICE else tasks["person_id"]
    waited_s = (tasks["started_at"] - ready_at).dt.total_seconds()
    spans = pd.DataFrame(
        {
            "task_id": tasks["task_id"],
            WORKFLOW_ID: tasks[WORKFLOW_ID],
            "activity": tasks["activity"],
            "person_id": person.fillna(""),
            "done_by": tasks["person_id"].fillna(""),
            AS_OF: begins if span is Span.SERVICE else asked_at,
            "ended_at": ends,
            "left_at": ends.fillna(tasks["cancelled_at"]),
            "waited_s": waited_s if span is Span.SERVICE else np.nan,
            "duration_s": (ends - begins).dt.total_seconds(),
        }
    )
    return spans[begins.notna()].sort_values([AS_OF, "task_id"], ignore_index=True)


def _ready(tasks: pd.DataFrame, events: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return when each task was ready, and the first moment at which that was past."""
    moments = ["created_at", "started_at", "completed_at", "cancelled_at"]
    begun = tasks[[WORKFLOW_ID]].assign(begun_at=tasks[moments].min(axis=1))
    happened = events[[WORKFLOW_ID, AS_OF]].drop_duplicates().sort_values(AS_OF)
    before = pd.merge_asof(
        begun.reset_index().dropna(subset="begun_at").sort_values("begun_at"),
        happened,
        left_on="begun_at",
        right_on=AS_OF,
        by=WORKFLOW_ID,
        allow_exact_matches=False,
    ).set_index("index")[AS_OF]
    before = before.reindex(tasks.index)
    created_at, started_at = tasks["created_at"], tasks["started_at"]
    ready_at = created_at.fillna(before)
    # A task that was started before it was created was ready when it was started.
    ready_at = ready_at.where(~(started_at < ready_at), started_at)
    # The event before is known at the moment of the question, the task's own first event is not.
    return ready_at, ready_at.where(created_at.notna(), ready_at + _INSTANT)


def _starters(tasks: pd.DataFrame, events: pd.DataFrame) -> pd.Series:
    keys = [WORKFLOW_ID, "activity", "started_at"]
    starts = events[events["transition"] == Transition.STARTED.value].rename(
        columns={AS_OF: "started_at"}
    )
    starters = starts.drop_duplicates(keys).set_index(keys)["person_id"].rename("starter")
    return tasks.join(starters, on=keys)["starter"]
