"""What happened, in compact columns: 30 bytes an event, 50 a task, nothing looked at twice."""

from array import array
from typing import Final

from pipelines.contracts import Transition
from pipelines.history.company.draws import Draws
from pipelines.history.company.people import Person
from pipelines.history.company.work import Task, Workflow

NONE: Final = -1
TRANSITIONS: Final = tuple(Transition)
_CODES: Final = {transition: code for code, transition in enumerate(TRANSITIONS)}
_PORTAL_LATE_RATIO: Final = 0.004  # events that no person writes down


def _times() -> "array[int]":
    return array("q")


def _indexes() -> "array[int]":
    return array("i")


class Journal:
    """Columns of events, tasks and workflows; codes index the company's lists, -1 is null."""

    def __init__(self, seed: int) -> None:
        self._late = Draws(seed, "late")
        self.attributes: dict[str, int] = {"{}": 0}  # JSON text -> code

        self.event_task = _indexes()
        self.event_transition = array("b")
        self.event_person = _indexes()
        self.event_occurred_at = _times()
        self.event_recorded_at = _times()
        self.event_attributes = _indexes()

        self.task_workflow = _indexes()
        self.task_activity = _indexes()
        self.task_person = _indexes()
        self.task_team = _indexes()
        self.task_due_at = _times()
        self.task_times = {
            transition: _times() for transition in ("created", "started", "completed", "cancelled")
        }
        self.activities: dict[str, int] = {}

        self.workflow_template = _indexes()
        self.workflow_client = _indexes()
        self.workflow_rank = array("b")
        self.workflow_opened_at = _times()
        self.workflow_due_at = _times()
        self.workflow_closed_at = _times()
        self.workflow_recorded_at = _times()
        self.workflow_closure_recorded_at = _times()
        self.workflow_outcome: list[str | None] = []
        self.workflow_attributes: list[str] = []

    @property
    def task_count(self) -> int:
        """Tasks created so far."""
        return len(self.task_workflow)

    def recorded_at(self, person: Person | None, at: int) -> int:
        """Draw when something is written down: at once, or minutes to days later."""
        ratio = person.late_ratio if person else _PORTAL_LATE_RATIO
        if self._late.uniform() >= ratio:
            return at
        return at + 120 + int(self._late.lognormal(5_400, 1.5))

    def open_workflow(
        self, workflow: Workflow, template: int, client: int, attributes: str
    ) -> None:
        """Write a workflow's opening."""
        self.workflow_template.append(template)
        self.workflow_client.append(client)
        self.workflow_rank.append(workflow.rank)
        self.workflow_opened_at.append(workflow.opened_at)
        self.workflow_due_at.append(workflow.due_at)
        self.workflow_closed_at.append(NONE)
        self.workflow_recorded_at.append(workflow.recorded_at)
        self.workflow_closure_recorded_at.append(NONE)
        self.workflow_outcome.append(None)
        self.workflow_attributes.append(attributes)

    def close_workflow(self, workflow: Workflow, at: int, outcome: str) -> None:
        """Write a workflow's closing, known when its last event is."""
        self.workflow_closed_at[workflow.index] = at
        self.workflow_closure_recorded_at[workflow.index] = self.event_recorded_at[-1]
        self.workflow_outcome[workflow.index] = outcome

    def add_task(self, task: Task, due_at: int) -> None:
        """Write a task's row; its event follows."""
        activity = task.workflow.template.steps[task.step].activity
        self.task_workflow.append(task.workflow.index)
        self.task_activity.append(self.activities.setdefault(activity, len(self.activities)))
        self.task_person.append(NONE)
        self.task_team.append(task.team.index)
        self.task_due_at.append(due_at)
        for times in self.task_times.values():
            times.append(NONE)

    def event(self, task: Task, transition: Transition, at: int, attributes: str = "{}") -> None:
        """Write one event of a task by the person who has it."""
        person = task.person
        recorded_at = self.recorded_at(person, at)
        self.event_task.append(task.index)
        self.event_transition.append(_CODES[transition])
        self.event_person.append(person.index if person else NONE)
        self.event_occurred_at.append(at)
        # Nothing of a workflow can be written down before the workflow itself.
        self.event_recorded_at.append(max(recorded_at, task.workflow.recorded_at))
        codes = self.attributes
        self.event_attributes.append(codes.setdefault(attributes, len(codes)))
        if person:
            self.task_person[task.index] = person.index
        times = self.task_times.get(transition)
        if times is not None:
            times[task.index] = at
