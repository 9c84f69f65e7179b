"""What is asked and answered over HTTP; the OpenAPI page is made from these."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Discriminator, Field, RootModel, Tag

from serving.fields import Id, PlainValue

MAX_BATCH: Final = 1_000
MAX_OVERRIDES: Final = 100

WorkflowId = Annotated[Id, Field(description="Id of a running workflow, as the history names it.")]


class Strict(BaseModel):
    """Base of what is asked: a field that is not there is an error, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


ChangedFeatures = Annotated[dict[Id, PlainValue], Field(min_length=1, max_length=MAX_OVERRIDES)]


class OneWorkflow(Strict):
    """Ask about one running workflow."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"workflow_id": "WF-000017"}]})

    workflow_id: WorkflowId
    overrides: ChangedFeatures | None = Field(
        None,
        description="What if these features of the workflow were others? By the names that "
        "`reasons` of /assess_risk give; null: not known.",
    )


class ManyWorkflows(Strict):
    """Ask about several running workflows at once."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"workflow_ids": ["WF-000017", "WF-000018"]}]}
    )

    workflow_ids: Annotated[list[WorkflowId], Field(min_length=1, max_length=MAX_BATCH)]
    overrides: ChangedFeatures | None = Field(
        None, description="What if these features of each of them were others? As of one workflow."
    )


def _kind(value: Any) -> str:
    if isinstance(value, ManyWorkflows):
        return "(many)"
    return "(many)" if isinstance(value, dict) and "workflow_ids" in value else "(one)"


class Question(
    RootModel[
        Annotated[
            Annotated[OneWorkflow, Tag("(one)")] | Annotated[ManyWorkflows, Tag("(many)")],
            Discriminator(_kind),
        ]
    ]
):
    """One workflow or many."""


class ModelVersion(BaseModel):
    """The registered model that answered."""

    name: str = Field(examples=["remaining_time"])
    version: str = Field(examples=["3"])
    alias: str = Field(examples=["champion"])


class Answer(BaseModel):
    """What every answer says about itself."""

    prediction_id: UUID = Field(description="Key of the row in the prediction log.")
    workflow_id: str
    model: ModelVersion
    as_of: datetime = Field(
        description="The moment the answer speaks about: the clock of the features, not the "
        "wall clock."
    )
    features_known_at: datetime = Field(
        description="When the youngest fact behind the answer became known."
    )
    is_degraded: bool = Field(description="True when a part behind the answer had failed.")
    degraded_because: list[str] = Field(description="What had failed; empty when nothing had.")


IsWhatIf = Annotated[
    bool, Field(description="True: of the overrides asked about, not of things as they are.")
]
Overridden = Annotated[
    dict[str, PlainValue], Field(description="Features that were not as known; empty: none.")
]


class Duration(Answer):
    """How long a workflow will still take."""

    remaining_time_s: float = Field(ge=0, description="Expected seconds from as_of to closing.")
    remaining_time_s_p10: float = Field(ge=0, description="One in ten takes less.")
    remaining_time_s_p90: float = Field(ge=0, description="One in ten takes more.")
    expected_closed_at: datetime = Field(description="as_of plus remaining_time_s.")
    is_what_if: IsWhatIf = False
    overrides: Overridden = {}


class Reason(BaseModel):
    """One input that moved the answer."""

    feature: str
    value: str | float | bool | None = Field(description="As the model was given it.")
    contribution: float | None = Field(
        description="Share of this input in the log-odds of being late; the signs add up. Null: "
        "it decides by itself."
    )
    effect: Literal["raises", "lowers", "decides"]
    text: str = Field(examples=["3 steps were repeated, which raises the risk."])


class Risk(Answer):
    """How likely a workflow will be late, and why."""

    late_probability: float = Field(ge=0, le=1, description="1 when it is late already.")
    overdue_s: float = Field(
        0.0,
        ge=0,
        description="Seconds since its due date, or, without one, beyond the lead time that is "
        "usual for its template; 0: it is not late yet.",
    )
    due_at: datetime | None = Field(description="Null where the workflow has no due date.")
    reasons: list[Reason] = Field(
        description="The strongest inputs first; of a workflow that is late already, only that."
    )
    is_what_if: IsWhatIf = False
    overrides: Overridden = {}


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:problem-type:workcast:unknown-workflow"])
    title: str
    status: int
    detail: str = Field(description="What, which value, and what to do.")


class WorkflowProblem(BaseModel):
    """What went wrong with one workflow of several."""

    workflow_id: str
    problem: Problem


class DurationBatch(BaseModel):
    """Answers and problems of several workflows, each in the order asked."""

    answers: list[Duration]
    problems: list[WorkflowProblem]


class RiskBatch(BaseModel):
    """Answers and problems of several workflows, each in the order asked."""

    answers: list[Risk]
    problems: list[WorkflowProblem]


class ModelState(BaseModel):
    """What the service knows about one registered model."""

    name: str
    alias: str
    version: str | None = Field(description="The version that answers; null: none, so 503.")
    loaded_at: datetime | None
    is_from_disk: bool = Field(description="True: the registry was not there to be asked.")
    traffic_ratio: float = Field(description="Share of workflows it answers.")
    is_shadow: bool = Field(description="True: it also computes what nobody is shown.")
    refused_version: str | None = Field(description="A version that is kept out.")
    message: str | None = Field(description="Why there is none, or why a newer one is kept out.")


class Models(BaseModel):
    """Every model of the service, and the challengers there are."""

    models: list[ModelState]
    challengers: list[ModelState] = Field(
        description="Versions that may answer a share of the workflows, or compute unseen."
    )


class Readiness(BaseModel):
    """Whether the service can answer, and what is missing."""

    is_ready: bool
    missing: list[str] = Field(description="What is needed to answer and is not there.")
    degraded: list[str] = Field(description="What has failed without stopping the answers.")
    as_of: datetime | None
