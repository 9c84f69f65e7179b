"""A small company with whole tasks: created, assigned, completed; and its history in tables."""

import numpy as np
import pandas as pd

from tests.learning.assignee.office import START

ACTIVITIES = {
    "register": ("desk", ("ann", "bob")),
    "assess": ("field", ("cem", "dee")),
    "pay": ("desk", ("bob", "eva")),
}


def company_tables(
    workflow_count: int = 160, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return task_events, workflows and workflow_closures of workflows two hours apart.

    Of the two people of an activity, the one who has fewer of its tasks open takes it, the first
    where they have as many, and one time in ten the other one.
    """
    rng = np.random.default_rng(seed)
    events, workflows, closures = [], [], []
    free_at: dict[str, float] = {}
    begins: list[tuple[float, int, int]] = [
        (2.0 * number, number, 0) for number in range(workflow_count)
    ]
    while begins:
        begins.sort()
        hours, number, step = begins.pop(0)
        activity, (team_id, people) = list(ACTIVITIES.items())[step]
        workflow_id, task_id = f"w{number:03}", f"w{number:03}-{activity}"
        if step == 0:
            workflows.append(workflow_row(workflow_id, hours))
        busy = [max(free_at.get(one, 0.0), hours) for one in people]
        first = int(busy[1] < busy[0])
        person_id = people[1 - first if rng.random() < 0.1 else first]
        ends = hours + float(rng.uniform(1.0, 5.0))
        free_at[person_id] = ends
        task = (workflow_id, task_id, activity, team_id)
        events.append(task_event(*task, "created", None, hours))
        events.append(task_event(*task, "assigned", person_id, hours + 0.1))
        events.append(task_event(*task, "completed", person_id, ends))
        if step + 1 < len(ACTIVITIES):
            begins.append((ends, number, step + 1))
        else:
            closures.append(closure_row(workflow_id, ends))
    return number_events(events), pd.DataFrame(workflows), pd.DataFrame(closures)


def at(hours: float) -> pd.Timestamp:
    """Return the moment so many hours after the start."""
    return START + pd.Timedelta(seconds=round(hours * 3_600))


def task_event(  # noqa: PLR0917 - a row of a table
    workflow_id: str,
    task_id: str,
    activity: str,
    team_id: str | None,
    transition: str,
    person_id: str | None,
    hours: float,
    recorded_hours: float | None = None,
) -> dict[str, object]:
    """Return one event of a task, recorded as it occurs unless told otherwise."""
    return {
        "workflow_id": workflow_id,
        "task_id": task_id,
        "activity": activity,
        "team_id": team_id,
        "transition": transition,
        "person_id": person_id,
        "occurred_at": at(hours),
        "recorded_at": at(hours if recorded_hours is None else recorded_hours),
    }


def number_events(events: list[dict[str, object]]) -> pd.DataFrame:
    """Return events as a history tells them, in order of occurrence."""
    frame = pd.DataFrame(events).sort_values("occurred_at", kind="stable", ignore_index=True)
    number = range(len(frame))
    return frame.assign(event_id=[f"e{one:05}" for one in number], sequence=number)


def workflow_row(workflow_id: str, hours: float) -> dict[str, object]:
    """Return a workflow opened so many hours after the start, due ten hours later."""
    return {
        "workflow_id": workflow_id,
        "template_id": "claim",
        "client_id": "c1",
        "priority": "normal",
        "opened_at": at(hours),
        "due_at": at(hours + 10),
        "recorded_at": at(hours),
    }


def closure_row(workflow_id: str, hours: float) -> dict[str, object]:
    """Return the end of a workflow."""
    return {"workflow_id": workflow_id, "closed_at": at(hours), "recorded_at": at(hours)}
