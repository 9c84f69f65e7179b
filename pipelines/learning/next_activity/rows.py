"""Tasks of workflows in the order they came up: what follows each of them is the question."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pandas as pd

from pipelines.learning.columns import AS_OF, PART, WORKFLOW_ID, require_columns
from pipelines.learning.split import TimeSplit

_OF_EVENT: Final = (WORKFLOW_ID, "task_id", "activity", "team_id", "person_id", "attributes")
_OF_WORKFLOW: Final = (WORKFLOW_ID, "template_id", "client_id", "priority", "attributes")
_COPIED: Final = (
    *(WORKFLOW_ID, "activity", "team_id", "person_id"),
    *("template_id", "client_id", "priority", "workflow_attributes"),
)


def task_sequence(task_events: pd.DataFrame, workflows: pd.DataFrame) -> pd.DataFrame:
    """Return each task's first event, as `prefix_features` reads events.

    Args:
        task_events: columns of `lake/history/task_events`.
        workflows: columns of `lake/history/workflows`.

    Returns:
        workflow_id, as_of (when it became known), activity, team_id, person_id,
        task_attributes, and of the workflow template_id, client_id, priority and
        workflow_attributes; each workflow's rows together, in order of time.

    Raises:
        TrainingError: a column is missing.
    """
    require_columns(
        task_events, (*_OF_EVENT, "occurred_at", "recorded_at", "sequence"), "task events"
    )
    require_columns(workflows, _OF_WORKFLOW, "workflows")
    known = task_events.assign(**{AS_OF: task_events[["occurred_at", "recorded_at"]].max(axis=1)})
    known = known.sort_values([WORKFLOW_ID, AS_OF, "sequence"], kind="stable")
    firsts = known.drop_duplicates("task_id")[[*_OF_EVENT, AS_OF]]
    firsts = firsts.rename(columns={"attributes": "task_attributes"})
    of_workflow = workflows[list(_OF_WORKFLOW)].rename(
        columns={"attributes": "workflow_attributes"}
    )
    return firsts.drop(columns="task_id").merge(of_workflow, on=WORKFLOW_ID, how="left")


def task_sequence_of(task_events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return `task_sequence` of one workflow as rows, without pandas.

    Args:
        task_events: column -> value, of `lake/history/task_events`; and, the same in each row,
            template_id, client_id, priority and workflow_attributes.
    """
    in_order = sorted(task_events, key=lambda event: (known_at(event), event["sequence"]))
    firsts: dict[str, Mapping[str, Any]] = {}
    for event in in_order:
        firsts.setdefault(event["task_id"], event)
    return [
        {
            **{name: event[name] for name in _COPIED},
            AS_OF: known_at(event),
            "task_attributes": event["attributes"],
        }
        for event in firsts.values()
    ]


def known_at(task_event: Mapping[str, Any]) -> datetime:
    """Return when an event was known: in UTC, which hours and weekdays are learned in."""
    # Times of one zone are compared by its clocks, which go back an hour once a year.
    occurred_at: datetime = task_event["occurred_at"].astimezone(UTC)
    recorded_at: datetime = task_event["recorded_at"].astimezone(UTC)
    return max(occurred_at, recorded_at)


def next_activity_rows(
    task_events: pd.DataFrame, workflows: pd.DataFrame, split: TimeSplit, max_rows: int, seed: int
) -> pd.DataFrame:
    """Return `task_sequence` of the workflows on either side of a split, with `part`.

    Above `max_rows`, whole workflows are left out at random.
    """
    rows = task_sequence(task_events, workflows)
    counts = rows[WORKFLOW_ID].value_counts()
    order = pd.Series(split.workflow_ids).sample(frac=1.0, random_state=seed % 2**31)
    sizes = counts.reindex(order).dropna()
    kept = sizes.index[sizes.cumsum() <= max_rows]
    rows = rows[rows[WORKFLOW_ID].isin(kept)].reset_index(drop=True)
    return rows.assign(**{PART: rows[WORKFLOW_ID].map(split.parts)})
