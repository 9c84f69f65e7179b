"""What is asked and answered about spreading open tasks over people."""

from datetime import datetime
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    model_validator,
)
from pydantic_core import PydanticCustomError

from serving.fields import Id, Moment
from serving.schemas import Answer, Strict, WorkflowProblem
from serving.task_schemas import TaskId

MOST_TASKS: Final = 500
MOST_PEOPLE: Final = 100
MOST_PAIRS: Final = 20_000


def _ends_later(period: tuple[datetime, datetime]) -> tuple[datetime, datetime]:
    if period[0] >= period[1]:
        raise PydanticCustomError("period_order", "Should end after it begins")
    return period


# JSON has lists only.
Period = Annotated[tuple[Moment, Moment], Field(strict=False), AfterValidator(_ends_later)]


class TaskToPlan(Strict):
    """One open task; what is not said is as the source has it."""

    task_id: TaskId
    due_at: Moment | None = Field(None, description="Not given: the task's, or its workflow's.")
    priority: FiniteFloat = Field(1.0, gt=0, le=100)
    required_skills: tuple[Id, ...] | None = Field(
        None, max_length=50, strict=False, description="Not given: that of its template."
    )
    excluded_person_ids: tuple[Id, ...] = Field((), max_length=MOST_PEOPLE, strict=False)
    predecessors: tuple[TaskId, ...] = Field(
        (), max_length=50, strict=False, description="Tasks of this question that come first."
    )


class PersonToPlan(Strict):
    """One person; hours, skills and team are those of the source."""

    person_id: Id
    working: tuple[Period, ...] | None = Field(
        None, max_length=200, strict=False, description="Periods of work instead of the source's."
    )
    busy_until: Moment | None = None
    max_tasks: int | None = Field(None, ge=0)
    max_hours: FiniteFloat | None = Field(None, ge=0)


class AllocationQuestion(Strict):
    """Ask who should do which of several open tasks, and when."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "tasks": [{"task_id": "T-0000017"}, {"task_id": "T-0000018", "priority": 2}],
                    "people": [{"person_id": "P-0001"}, {"person_id": "P-0002", "max_tasks": 3}],
                }
            ]
        }
    )

    tasks: Annotated[list[TaskToPlan], Field(min_length=1, max_length=MOST_TASKS)]
    people: Annotated[list[PersonToPlan], Field(min_length=1, max_length=MOST_PEOPLE)]
    horizon_days: int = Field(30, ge=1, le=90, description="How far ahead people's hours count.")
    keep_teams: bool = Field(
        default=False, description="Only people of a task's own team may do it."
    )
    alternative_count: int = Field(2, ge=0, le=5)

    @model_validator(mode="after")
    def _not_too_many(self) -> "AllocationQuestion":
        pairs = len(self.tasks) * len(self.people)
        if pairs > MOST_PAIRS:
            raise ValueError(
                f"{len(self.tasks)} tasks times {len(self.people)} people are {pairs:,} pairs, "
                f"at most {MOST_PAIRS:,} are planned at once: ask about fewer"
            )
        for kind, ids in (
            ("task_id", [task.task_id for task in self.tasks]),
            ("person_id", [person.person_id for person in self.people]),
        ):
            if len(set(ids)) < len(ids):
                raise ValueError(f"a {kind} is given twice")
        return self


class Alternative(BaseModel):
    """Another person, and what the move would cost over the whole plan; below 0 it gains."""

    model_config = ConfigDict(from_attributes=True)

    person_id: str
    planned_start_at: datetime
    planned_end_at: datetime
    extra_lateness_s: float
    extra_time_s: float
    extra_work_s: float


class Assignment(BaseModel):
    """Who does a task, when, and why."""

    model_config = ConfigDict(from_attributes=True)

    task_id: str
    person_id: str
    planned_start_at: datetime
    planned_end_at: datetime
    expected_service_s: float = Field(description="Working seconds.")
    expected_lateness_s: float
    slack_s: float | None
    reason: str
    alternatives: tuple[Alternative, ...]


class Unmet(BaseModel):
    """A constraint that cannot be met."""

    model_config = ConfigDict(from_attributes=True)

    task_id: str
    constraint: str
    is_planned: bool
    explanation: str


class Totals(BaseModel):
    """Sums over the planned tasks."""

    model_config = ConfigDict(from_attributes=True)

    planned_count: int
    unplanned_count: int
    late_count: int
    expected_lateness_s: float
    time_s: float
    work_s: float


class Allocation(Answer):
    """A plan: assignments in order of start, and what cannot be met."""

    assignments: list[Assignment]
    unmet: list[Unmet]
    totals: Totals
    problems: list[WorkflowProblem] = Field(description="Tasks that could not be planned at all.")
