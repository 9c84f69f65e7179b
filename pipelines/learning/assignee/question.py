"""What is asked: a workflow stands at its last event, and someone has to go on."""

from dataclasses import dataclass, field
from typing import NamedTuple

from pipelines.learning.assignee.coded_log import NONE, Event


@dataclass
class Trace:
    """A workflow's events so far, the latest last."""

    people: list[int] = field(default_factory=list)
    activities: list[int] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    context: tuple[int, ...] = ()

    def add(self, event: Event) -> None:
        """Append an event."""
        self.people.append(event.person)
        self.activities.append(event.activity)
        self.times_s.append(event.time_s)
        self.context = event.context


class TaskAsked(NamedTuple):
    """A task that someone should take, in codes; NONE where something is not known."""

    workflow: int
    activity: int
    team: int
    context: tuple[int, ...]
    now_s: float


@dataclass(frozen=True)
class Question:
    """Who goes on with a workflow, asked at a moment.

    `person` did the last event, of the activity `activity`; NONE in a workflow without events.
    `person_count` people were met by then: vectors over people have its length. Of the task
    that someone should take, the activity and the team are known, or NONE.
    """

    trace: Trace
    now_s: float
    person_count: int
    task_activity: int = NONE
    task_team: int = NONE

    @property
    def activity(self) -> int:
        """The present activity."""
        return self.trace.activities[-1] if self.trace.activities else NONE

    @property
    def previous_activity(self) -> int:
        """The activity before the present one."""
        return self.trace.activities[-2] if len(self.trace.activities) > 1 else NONE

    @property
    def person(self) -> int:
        """Who did the present event."""
        return self.trace.people[-1] if self.trace.people else NONE

    @property
    def previous_person(self) -> int:
        """Who did the event before it."""
        return self.trace.people[-2] if len(self.trace.people) > 1 else NONE
