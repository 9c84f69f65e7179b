"""What is asked and answered about templates and next activities."""

from typing import Annotated, Any, Final

from pydantic import ConfigDict, Discriminator, Field, RootModel, Tag

from serving.fields import Id, Moment, PlainValue
from serving.schemas import Answer, Strict, WorkflowId

MOST_SUGGESTIONS: Final = 20
_MOST_ATTRIBUTES: Final = 100

Count = Annotated[int, Field(ge=1, le=MOST_SUGGESTIONS, description="How many to suggest.")]


class NewWorkflow(Strict):
    """Ask which template a workflow that is about to be opened should follow."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "client_id": "C-00038",
                    "priority": "normal",
                    "attributes": {"product": "power", "amount": 12000},
                    "count": 3,
                }
            ]
        }
    )

    client_id: Id | None = None
    team_id: Id | None = Field(None, description="The team that opens it.")
    priority: Id | None = None
    attributes: Annotated[dict[Id, PlainValue], Field(max_length=_MOST_ATTRIBUTES)] = Field(
        default_factory=dict, description="As the history's workflows have them at opening."
    )
    opened_at: Moment | None = Field(
        None, description="When it is opened; not given: now, by the service's clock."
    )
    count: Count = 3


class RunningWorkflow(Strict):
    """Ask which activities may follow in a running workflow."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"workflow_id": "W-0000017"}]})

    workflow_id: WorkflowId
    count: Count = 3


def _kind(value: Any) -> str:
    if isinstance(value, RunningWorkflow):
        return "(running)"
    return "(running)" if isinstance(value, dict) and "workflow_id" in value else "(new)"


class TemplateQuestion(
    RootModel[
        Annotated[
            Annotated[NewWorkflow, Tag("(new)")] | Annotated[RunningWorkflow, Tag("(running)")],
            Discriminator(_kind),
        ]
    ]
):
    """A workflow to open, or one that runs: of the latter its id is told."""


class Template(Strict):
    """A template, and how workflows went that followed it."""

    template_id: str
    rank: int = Field(ge=1)
    workflow_count: int = Field(
        ge=0, description="Past workflows behind the figures; 0: it was never tried."
    )
    lead_time_s: float | None = Field(description="Median seconds from opening to closing.")
    lead_time_s_p10: float | None = Field(description="One in ten took less.")
    lead_time_s_p90: float | None = Field(description="One in ten took more.")
    success_ratio: float | None = Field(description="Share that was closed in time.")
    steps: list[str] | None = Field(description="Its activities, where it was mined.")


class TemplateSuggestions(Answer):
    """Templates for a new workflow, the likeliest to fit first."""

    templates: list[Template]
    unknown: list[str] = Field(
        description="What was told that no past workflow tells apart; others answer for it."
    )


class NextActivity(Strict):
    """An activity that may follow; none means that the workflow may end."""

    rank: int = Field(ge=1)
    activity: str | None
    is_end: bool
    probability: float = Field(ge=0, le=1)


class NextActivities(Answer):
    """What may follow the last known task of a running workflow, the likeliest first."""

    last_activity: str
    next_activities: list[NextActivity]
