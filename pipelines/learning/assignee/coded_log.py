"""An event log as integers in order of time, as the replay reads it."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.columns import AS_OF, WORKFLOW_ID, require_columns

Ints = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

ACTIVITY: Final = "activity"
PERSON_ID: Final = "person_id"
# What is told with an event, where it is told; see `Content`.
CONTEXT_COLUMNS: Final = ("template_id", "client_id", "priority")
NONE: Final = -1


class Event(NamedTuple):
    """One event in codes; NONE (NaN for `due_s`) where something is not told."""

    workflow: int
    activity: int
    person: int
    team: int
    context: tuple[int, ...]
    time_s: float
    due_s: float


@dataclass(frozen=True)
class CodedLog:
    """Events in order of time, and of the answers that only the future gives.

    `row` is each event's position in the frame it was coded from. `next_person` does the
    workflow's next event at `next_time_s` (NONE and NaN at its end). Codes count first
    appearances, so that what comes later changes no earlier code.
    """

    people: list[str]
    activities: list[str]
    workflows: list[str] = field(repr=False)
    events: list[Event] = field(repr=False)
    row: Ints = field(repr=False)
    person: Ints = field(repr=False)
    next_person: Ints = field(repr=False)
    next_time_s: Values = field(repr=False)

    @property
    def time_s(self) -> Values:
        """When each event was."""
        return np.array([event.time_s for event in self.events])

    @property
    def is_handover(self) -> Mask:
        """Events after which someone else goes on."""
        mask: Mask = (self.next_person != NONE) & (self.next_person != self.person)
        return mask


def code_log(events: pd.DataFrame) -> CodedLog:
    """Code events and put them in order of time; equal times keep the frame's order.

    Args:
        events: workflow_id, activity, person_id, as_of; and team_id, due_at, template_id,
            client_id and priority where they are known, as they were known at the event.

    Raises:
        TrainingError: a column is missing, or an event lacks one of the first four values.
    """
    needed = [WORKFLOW_ID, ACTIVITY, PERSON_ID, AS_OF]
    require_columns(events, needed, "events")
    for name in needed:
        if events[name].isna().any():
            raise TrainingError(
                f"{int(events[name].isna().sum())} of {len(events)} events have no {name}: "
                "leave them out or give the unknown a name."
            )
    order = np.argsort(events[AS_OF].to_numpy(), kind="stable")
    ordered = events.iloc[order].reset_index(drop=True)
    workflow, workflows = pd.factorize(ordered[WORKFLOW_ID])
    activity, activities = pd.factorize(ordered[ACTIVITY])
    person, people = pd.factorize(ordered[PERSON_ID])
    team, _ = pd.factorize(_column(ordered, "team_id"))
    context = [pd.factorize(_column(ordered, name))[0].tolist() for name in CONTEXT_COLUMNS]
    time_s, due_s = seconds(ordered[AS_OF]), seconds(_column(ordered, "due_at"))
    following = pd.DataFrame({"person": person, "time_s": time_s}).groupby(workflow).shift(-1)
    codes = (one.tolist() for one in (workflow, activity, person, team))
    return CodedLog(
        people=[str(one) for one in people],
        activities=[str(one) for one in activities],
        workflows=[str(one) for one in workflows],
        events=[
            Event(*values)
            for values in zip(
                *codes, zip(*context, strict=True), time_s.tolist(), due_s.tolist(), strict=True
            )
        ],
        row=order.astype(np.int64),
        person=person.astype(np.int64),
        next_person=following["person"].fillna(NONE).to_numpy(dtype=np.int64),
        next_time_s=following["time_s"].to_numpy(dtype=float),
    )


def _column(frame: pd.DataFrame, name: str) -> pd.Series:
    if name in frame.columns:
        return frame[name]
    return pd.Series(None, index=frame.index, dtype=object)


def seconds(times: pd.Series) -> Values:
    """Return seconds since 1970, NaN where no time is told."""
    since_epoch = pd.to_datetime(times, utc=True) - pd.Timestamp(0, tz="UTC")
    return np.asarray(since_epoch.dt.total_seconds(), dtype=np.float64)
