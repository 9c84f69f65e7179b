"""What is asked and answered about tasks: how long one takes, and who should do it."""

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    FiniteFloat,
    RootModel,
    Tag,
)

from serving.fields import Id, NumberOrNull
from serving.schemas import (
    Answer,
    ChangedFeatures,
    IsWhatIf,
    ManyWorkflows,
    OneWorkflow,
    Overridden,
    Strict,
    WorkflowId,
    WorkflowProblem,
)

MOST_TASKS: Final = 1_000
MOST_CANDIDATES: Final = 500
MOST_RECOMMENDED: Final = 50

TaskId = Annotated[Id, Field(description="Id of a task, as the history names it.")]


class OneTask(Strict):
    """Ask how long one task takes, done by whoever holds it or by someone else."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"task_id": "T-0000017"}]})

    task_id: TaskId
    person_id: Id | None = Field(None, description="What if this person did it?")
    overrides: ChangedFeatures | None = Field(
        None,
        description="What if these features were others? By the names in the log of predictions, "
        "for example person_workload__open_task_count; null: not known.",
    )


class ManyTasks(Strict):
    """Ask how long several tasks take."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"task_ids": ["T-0000017", "T-0000018"]}]}
    )

    task_ids: Annotated[list[TaskId], Field(min_length=1, max_length=MOST_TASKS)]


def _asked_kind(value: Any) -> str:
    if isinstance(value, OneTask | ManyTasks | ManyWorkflows):
        value = value.model_dump()
    if not isinstance(value, dict):
        return "(one)"
    named = {"task_id": "(task)", "task_ids": "(tasks)", "workflow_ids": "(many)"}
    return next((kind for key, kind in named.items() if key in value), "(one)")


class DurationQuestion(
    RootModel[
        Annotated[
            Annotated[OneWorkflow, Tag("(one)")]
            | Annotated[ManyWorkflows, Tag("(many)")]
            | Annotated[OneTask, Tag("(task)")]
            | Annotated[ManyTasks, Tag("(tasks)")],
            Discriminator(_asked_kind),
        ]
    ]
):
    """One workflow or task, or many."""


class Span(BaseModel):
    """Seconds: the median, and the ends of intervals that hold four of five and nine of ten."""

    median_s: float = Field(ge=0)
    low80_s: float = Field(ge=0)
    high80_s: float = Field(ge=0)
    low90_s: float = Field(ge=0)
    high90_s: float = Field(ge=0)


class TaskDuration(Answer):
    """How long a task waits, is worked on and takes in all, counted from its beginning."""

    task_id: str
    activity: str
    person_id: str | None = Field(description="Who is supposed to do it; null: not known.")
    is_what_if: bool = Field(
        description="True: asked about someone who does not hold it, or about other features."
    )
    overrides: Overridden = Field({})
    waiting_time: Span | None = Field(description="Ready to started; null: nothing tells it.")
    service_time: Span | None = Field(description="Started to completed.")
    sojourn_time: Span | None = Field(description="Ready to completed.")
    expected_completed_at: datetime | None = Field(
        description="By the medians, from when it was started or became ready; not before as_of."
    )


class TaskDurationBatch(BaseModel):
    """Answers and problems of several tasks, each in the order asked."""

    answers: list[TaskDuration]
    problems: list[WorkflowProblem]


class TaskToGive(Strict):
    """Ask who should do a task that is there."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"task_id": "T-0000017", "count": 5}]}
    )

    task_id: TaskId


class StepToGive(Strict):
    """Ask who should do the next step of a workflow."""

    workflow_id: WorkflowId
    activity: Id
    team_id: Id | None = Field(None, description="The team it is for, if that is known.")


FeaturesOfPeople = dict[Id, Annotated[dict[Id, NumberOrNull], Field(min_length=1, max_length=50)]]


class Limits(Strict):
    """Who may be proposed, and how many; and what if they were others."""

    person_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_CANDIDATES)] | None = Field(
        None, description="Only these, newcomers included; null: everyone who worked here."
    )
    required_skills: tuple[Id, ...] = Field((), max_length=50, strict=False)
    excluded_person_ids: tuple[Id, ...] = Field((), max_length=MOST_CANDIDATES, strict=False)
    max_held_task_count: int | None = Field(
        None, ge=1, description="Leave out who holds so many open tasks already."
    )
    count: int = Field(5, ge=1, le=MOST_RECOMMENDED)
    load_strength: FiniteFloat = Field(
        0.0, ge=0, le=2, description="How much present load counts against someone."
    )
    overrides: (
        Annotated[FeaturesOfPeople, Field(min_length=1, max_length=MOST_CANDIDATES)] | None
    ) = Field(
        None,
        description="What if these features of candidates were others? Of each person, by the "
        "names that the ranking model reads, for example held_task_count; null: not known, which "
        "the held counts cannot be. They count for who is proposed, in which order and why. "
        "sojourn_time and on_time_probability stay those of each person as known: they are "
        "another model's, which reads features of its own.",
    )


class AssigneeOfTask(TaskToGive, Limits):
    """Ask who should do a task that is there."""


class AssigneeOfStep(StepToGive, Limits):
    """Ask who should do the next step of a workflow."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"workflow_id": "W-0000017", "activity": "Check documents", "count": 3}]
        }
    )


def _kind(value: Any) -> str:
    if isinstance(value, AssigneeOfTask):
        return "(task)"
    return "(task)" if isinstance(value, dict) and "task_id" in value else "(step)"


class AssigneeQuestion(
    RootModel[
        Annotated[
            Annotated[AssigneeOfTask, Tag("(task)")] | Annotated[AssigneeOfStep, Tag("(step)")],
            Discriminator(_kind),
        ]
    ]
):
    """A task that is there, or the next step of a workflow."""


class Candidate(BaseModel):
    """A person who could do it."""

    rank: int = Field(ge=1)
    person_id: str
    score: float = Field(description="Higher is better; load counted in.")
    probability: float = Field(ge=0, le=1, description="Share of the candidates' scores.")
    is_known: bool = Field(description="False: took no task so far; answered by what others do.")
    held_task_count: int = Field(ge=0, description="Open tasks that lie with the person.")
    held_workflow_count: int = Field(ge=0)
    sojourn_time: Span | None = Field(description="How long it would take; null: not known.")
    on_time_probability: float | None = Field(
        description="That it ends before the due date; null: there is none, or no model."
    )
    reasons: list[str]


class Recommendation(Answer):
    """Who should do a task, the best first."""

    task_id: str | None
    activity: str
    due_at: datetime | None
    candidates: list[Candidate]
    is_what_if: IsWhatIf = False
    overrides: FeaturesOfPeople = Field(
        {}, description="Features of candidates that were not as known; empty: none."
    )
    candidate_count: int = Field(ge=0, description="People who were looked at.")
    unknown: list[str] = Field(description="What was asked about that the history does not know.")
