"""A small made-up history as the lake has it, of the tasks of `task_history`."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.learning.columns import AS_OF, WORKFLOW_ID
from pipelines.learning.split import TimeSplit, split_by_time
from tests.learning.task_history import make_task_history


@dataclass(frozen=True)
class WholeHistory:
    task_events: pd.DataFrame
    workflows: pd.DataFrame
    closures: pd.DataFrame

    @property
    def split(self) -> TimeSplit:
        return split_by_time(self.workflows, self.closures, 0.25)


def make_whole_history(count: int = 300, seed: int = 0) -> WholeHistory:
    """Workflows of two templates, asked for by two products; each template's tasks differ."""
    made = make_task_history(count, seed)
    events = made.events[[WORKFLOW_ID, "activity", "transition", "person_id", AS_OF]]
    events = events.rename(columns={AS_OF: "occurred_at"})
    number = events[WORKFLOW_ID].str[1:].astype(int)
    is_short = (number % 3 == 0) & (events["activity"] == "decide")  # a short one decides nothing
    events = events[~is_short].reset_index(drop=True)
    events = events.assign(
        event_id=[f"e{i:06d}" for i in range(len(events))],
        task_id=events[WORKFLOW_ID] + "/" + events["activity"] + "/1",
        sequence=events.groupby(WORKFLOW_ID).cumcount(),
        team_id="desk",
        recorded_at=events["occurred_at"],
        attributes="{}",
    )
    ids = events[WORKFLOW_ID].drop_duplicates().to_numpy()
    opened_at = events.groupby(WORKFLOW_ID)["occurred_at"].min().reindex(ids).to_numpy()
    closed_at = events.groupby(WORKFLOW_ID)["occurred_at"].max().reindex(ids)
    kind = np.arange(len(ids)) % 3
    workflows = pd.DataFrame(
        {
            WORKFLOW_ID: ids,
            "template_id": np.where(kind == 0, "short", "long"),
            "client_id": [f"c{i % 7}" for i in range(len(ids))],
            "priority": "normal",
            "opened_at": pd.to_datetime(opened_at, utc=True),
            "due_at": pd.NaT,
            "attributes": np.where(kind == 0, '{"product": "a"}', '{"product": "b"}'),
        }
    )
    closures = pd.DataFrame(
        {
            WORKFLOW_ID: ids,
            "closed_at": pd.to_datetime(closed_at.to_numpy(), utc=True),
            "outcome_is_late": pd.array([None] * len(ids), dtype="boolean"),
            "recorded_at": pd.to_datetime(closed_at.to_numpy(), utc=True),
        }
    )
    return WholeHistory(events, workflows, closures)
