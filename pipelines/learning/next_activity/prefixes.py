"""What is known of a running workflow at each of its events, by position.

Events of one workflow at the same instant have an order in the log all the same. A feature row
of that instant knows them all, and so the answer; hence nothing here looks past its own event.
"""

import json
from collections import Counter
from typing import Final

import pandas as pd

from pipelines.learning.columns import AS_OF, WORKFLOW_ID, require_columns

END: Final = "(end)"
"""The class of what follows a workflow's last event."""

LAST_COUNT: Final = 5  # activities looked back on

LAST_ACTIVITIES: Final = tuple(f"activity_{i + 1}" for i in range(LAST_COUNT))
"""Columns of features that hold these activities, the last one first."""

PERSON_COUNT: Final = 2
OF_EVENT: Final = {
    "transition": "transition",
    "team_id": "team_1",
    "task_attributes": "task_attributes",
}
AT_OPENING: Final = ("template_id", "client_id", "priority", "workflow_attributes")

EVENT_COLUMNS: Final = (WORKFLOW_ID, AS_OF, "activity", "person_id", *OF_EVENT, *AT_OPENING)
"""Columns of events that are read, as far as they are there."""


def prefix_features(events: pd.DataFrame) -> pd.DataFrame:
    """Return one row an event with what its workflow's events up to it tell.

    Args:
        events: workflow_id, as_of and activity; where there are any: person_id, team_id,
            transition, task_attributes, and template_id, client_id, priority and
            workflow_attributes, of which the first event's count. Each workflow's rows stand
            together, in order of time.

    Returns:
        In the same order: workflow_id, as_of, activity_1 (its own) to activity_5, person_1 and
        person_2, team_1, position, repeat_count (equal activities in a row),
        distinct_activity_count, activity_counts (JSON), elapsed_s, since_previous_s,
        since_before_previous_s, hour, weekday and the other columns given.

    Raises:
        TrainingError: a column is missing.
    """
    require_columns(events, (WORKFLOW_ID, AS_OF, "activity"), "events")
    workflow_id, as_of, activity = events[WORKFLOW_ID], events[AS_OF], events["activity"]
    by_workflow = events.groupby(WORKFLOW_ID, sort=False)
    run = activity.ne(by_workflow["activity"].shift()).groupby(workflow_id, sort=False).cumsum()
    is_new = ~events.duplicated([WORKFLOW_ID, "activity"])
    columns = {
        WORKFLOW_ID: workflow_id,
        AS_OF: as_of,
        **{name: by_workflow["activity"].shift(i) for i, name in enumerate(LAST_ACTIVITIES)},
        "position": by_workflow.cumcount() + 1,
        "repeat_count": activity.groupby([workflow_id, run], sort=False).cumcount() + 1,
        "distinct_activity_count": is_new.groupby(workflow_id, sort=False).cumsum(),
        "activity_counts": _counts_so_far(events),
        "elapsed_s": (as_of - by_workflow[AS_OF].transform("first")).dt.total_seconds(),
        "since_previous_s": (as_of - by_workflow[AS_OF].shift(1)).dt.total_seconds(),
        "since_before_previous_s": (as_of - by_workflow[AS_OF].shift(2)).dt.total_seconds(),
        "hour": as_of.dt.hour,
        "weekday": as_of.dt.weekday,
    }
    if "person_id" in events:
        for i in range(PERSON_COUNT):
            columns[f"person_{i + 1}"] = by_workflow["person_id"].shift(i)
    for name in events.columns.intersection(list(OF_EVENT)):
        columns[OF_EVENT[name]] = events[name]
    firsts = events.drop_duplicates(WORKFLOW_ID).set_index(WORKFLOW_ID)
    for name in events.columns.intersection(list(AT_OPENING)):
        columns[name] = workflow_id.map(firsts[name])
    return pd.DataFrame(columns)


def next_activities(events: pd.DataFrame) -> pd.Series:
    """Return the activity that follows each event in its workflow, `END` after the last."""
    following = events.groupby(WORKFLOW_ID, sort=False)["activity"].shift(-1)
    return following.fillna(END).rename("next_activity")


def _counts_so_far(events: pd.DataFrame) -> list[str]:
    """Return JSON texts of how often each activity has happened, a text an event."""
    texts: list[str] = []
    counts: Counter[str] = Counter()
    present = None
    for workflow_id, activity in zip(events[WORKFLOW_ID], events["activity"], strict=True):
        if workflow_id != present:
            counts, present = Counter(), workflow_id
        counts[activity] += 1
        texts.append(json.dumps(counts, sort_keys=True))
    return texts
