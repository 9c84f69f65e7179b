"""What happened, as rows of whole numbers: 48 bytes an event, 72 a task, 64 a workflow."""

from array import array
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.contracts import Transition
from pipelines.history.company.draws import Draws
from pipelines.history.company.work import Task, Workflow

NONE: Final = -1
TRANSITIONS: Final = tuple(Transition)
_CODES: Final = {transition: code for code, transition in enumerate(TRANSITIONS)}

EVENT_COLUMNS: Final = (
    "task", "transition", "person", "occurred_at", "recorded_at", "attributes",
)  # fmt: skip
TASK_COLUMNS: Final = (
    "workflow", "activity", "person", "team", "due_at",
    "created", "started", "completed", "cancelled",
)  # fmt: skip
WORKFLOW_COLUMNS: Final = (
    "template", "client", "rank", "opened_at", "due_at",
    "closed_at", "recorded_at", "closure_recorded_at",
)  # fmt: skip
_TASK_WIDTH: Final = len(TASK_COLUMNS)
_WORKFLOW_WIDTH: Final = len(WORKFLOW_COLUMNS)
_TASK_PERSON: Final = TASK_COLUMNS.index("person")
_TASK_TIMES: Final = {
    transition: TASK_COLUMNS.index(transition.value)
    for transition in Transition
    if transition.value in TASK_COLUMNS
}
_CLOSED_AT: Final = WORKFLOW_COLUMNS.index("closed_at")
_CLOSURE_RECORDED_AT: Final = WORKFLOW_COLUMNS.index("closure_recorded_at")
_EVENT_RECORDED_AT: Final = EVENT_COLUMNS.index("recorded_at")

_PORTAL_LATE_RATIO: Final = 0.004  # events that no person writes down
_LATE_MEDIAN_S: Final = 5_400
_LATE_SPREAD: Final = 1.5


class Journal:
    """Events, tasks and workflows in order; codes index the company's lists, -1 is null."""

    def __init__(self, seed: int) -> None:
        self._late = Draws(seed, "late")
        self.activities: dict[str, int] = {}  # text -> code
        self.attributes: dict[str, int] = {"{}": 0}  # JSON text -> code
        self.outcomes: list[str | None] = []
        self.workflow_attributes: list[str] = []
        # One flat row after the other: a single append for each.
        self._events = array("q")
        self._tasks = array("q")
        self._workflows = array("q")
        self.task_count = 0

    @property
    def events(self) -> NDArray[np.int64]:
        """All events: a row each, the columns of EVENT_COLUMNS."""
        return np.frombuffer(self._events, np.int64).reshape(-1, len(EVENT_COLUMNS))

    @property
    def tasks(self) -> NDArray[np.int64]:
        """All tasks: a row each, the columns of TASK_COLUMNS."""
        return np.frombuffer(self._tasks, np.int64).reshape(-1, _TASK_WIDTH)

    @property
    def workflows(self) -> NDArray[np.int64]:
        """All workflows: a row each, the columns of WORKFLOW_COLUMNS."""
        return np.frombuffer(self._workflows, np.int64).reshape(-1, _WORKFLOW_WIDTH)

    @property
    def workflow_count(self) -> int:
        """Workflows opened so far."""
        return len(self.outcomes)

    def open_workflow(
        self, workflow: Workflow, template: int, client: int, attributes: str
    ) -> None:
        """Write a workflow's opening."""
        self._workflows.extend(
            (
                template, client, workflow.rank, workflow.opened_at, workflow.due_at,
                NONE, workflow.recorded_at, NONE,
            )
        )  # fmt: skip
        self.outcomes.append(None)
        self.workflow_attributes.append(attributes)

    def close_workflow(self, workflow: Workflow, at: int, outcome: str) -> None:
        """Write a workflow's closing, known when the event that closed it is."""
        row = workflow.index * _WORKFLOW_WIDTH
        known_at = self._events[_EVENT_RECORDED_AT - len(EVENT_COLUMNS)]
        self._workflows[row + _CLOSED_AT] = at
        self._workflows[row + _CLOSURE_RECORDED_AT] = known_at
        self.outcomes[workflow.index] = outcome

    def add_task(self, task: Task, due_at: int) -> None:
        """Write a task's row; its event follows."""
        activity = task.workflow.template.steps[task.step].activity
        code = self.activities.setdefault(activity, len(self.activities))
        self._tasks.extend(
            (task.workflow.index, code, NONE, task.team.index, due_at, NONE, NONE, NONE, NONE)
        )
        self.task_count += 1

    def event(self, task: Task, transition: Transition, at: int, attributes: str = "{}") -> None:
        """Write one event of a task by the person who has it, at once or later."""
        person = task.person
        row = task.index * _TASK_WIDTH
        if person is None:
            person_index, recorded_at = NONE, self._recorded_at(_PORTAL_LATE_RATIO, at)
        else:
            person_index, recorded_at = person.index, self._recorded_at(person.late_ratio, at)
            self._tasks[row + _TASK_PERSON] = person_index
        # Nothing of a workflow can be written down before the workflow itself.
        recorded_at = max(recorded_at, task.workflow.recorded_at)
        codes = self.attributes
        code = codes.setdefault(attributes, len(codes))
        self._events.extend((task.index, _CODES[transition], person_index, at, recorded_at, code))
        if transition in _TASK_TIMES:
            self._tasks[row + _TASK_TIMES[transition]] = at

    def _recorded_at(self, late_ratio: float, at: int) -> int:
        """Draw when something is written down: mostly at once, else minutes to days later."""
        if self._late.uniform() >= late_ratio:
            return at
        return at + 120 + int(self._late.lognormal(_LATE_MEDIAN_S, _LATE_SPREAD))
