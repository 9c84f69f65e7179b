"""What is known of a workflow when it is opened and asks for a template."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

import pandas as pd

from pipelines.learning.columns import AS_OF, WORKFLOW_ID, require_columns

CLIENT: Final = "client_id"
PRIORITY: Final = "priority"


def openings(workflows: pd.DataFrame, task_events: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return one row a workflow with what is known when it is opened.

    The due date is left out: it is promised for the template that is chosen, and would tell it.

    Args:
        workflows: workflow_id, client_id, priority, opened_at and attributes (JSON).
        task_events: workflow_id, team_id, occurred_at and sequence, for the team that opened
            each workflow; not given: the workflows' own opening_team_id, if they have it.

    Returns:
        In the same order: workflow_id, as_of (the opening), client_id, priority,
        opening_team_id, workflow_attributes, hour and weekday.

    Raises:
        TrainingError: a column is missing.
    """
    needed = (WORKFLOW_ID, CLIENT, PRIORITY, "opened_at", "attributes")
    require_columns(workflows, needed, "workflows")
    if task_events is None:
        team = workflows.get("opening_team_id")
    else:
        in_order = task_events.sort_values(["occurred_at", "sequence"], kind="stable")
        firsts = in_order.drop_duplicates(WORKFLOW_ID).set_index(WORKFLOW_ID)["team_id"]
        team = workflows[WORKFLOW_ID].map(firsts)
    opened_at = pd.to_datetime(workflows["opened_at"], utc=True)
    return pd.DataFrame(
        {
            WORKFLOW_ID: workflows[WORKFLOW_ID],
            AS_OF: opened_at,
            CLIENT: workflows[CLIENT].astype(object),
            PRIORITY: workflows[PRIORITY].astype(object),
            "opening_team_id": team,
            "workflow_attributes": workflows["attributes"],
            "hour": opened_at.dt.hour,
            "weekday": opened_at.dt.weekday,
        }
    )


def opening_row(workflow: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of one workflow that `openings` has, without pandas.

    Args:
        workflow: workflow_id, client_id, priority, opened_at (with a time zone), attributes (JSON)
            and opening_team_id.
    """
    opened_at = workflow["opened_at"].astimezone(UTC)
    return {
        WORKFLOW_ID: workflow[WORKFLOW_ID],
        AS_OF: opened_at,
        CLIENT: workflow[CLIENT],
        PRIORITY: workflow[PRIORITY],
        "opening_team_id": workflow["opening_team_id"],
        "workflow_attributes": workflow["attributes"],
        "hour": opened_at.hour,
        "weekday": opened_at.weekday(),
    }
