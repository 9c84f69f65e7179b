"""Which template a new workflow should follow, and what may follow in a running one."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipelines.contracts import Model
from pipelines.learning.encode import Kind
from pipelines.learning.next_activity.prefixes import END
from pipelines.learning.next_activity.rows import known_at, task_sequence_of
from pipelines.learning.template.model import TemplateModel
from pipelines.learning.template.openings import opening_row
from serving import metrics
from serving.advice import Advice
from serving.advise import advise
from serving.asked import Started
from serving.problems import ClosedWorkflowError, UnknownWorkflowError
from serving.template_schemas import (
    NewWorkflow,
    NextActivities,
    NextActivity,
    RunningWorkflow,
    Template,
    TemplateSuggestions,
)

if TYPE_CHECKING:
    from serving.runtime import Runtime

_TO_BE_OPENED = "(to be opened)"
_TOLD = ("client_id", "priority", "opening_team_id")


def templates_for(runtime: "Runtime", question: NewWorkflow) -> TemplateSuggestions:
    """Suggest templates for a workflow that is about to be opened.

    Raises:
        ProblemError: there is no model, or no clock.
    """
    # What is not open yet has no id: a client's workflows stay with one version.
    client = question.client_id or ""
    return advise(
        runtime, Model.TEMPLATE, client, lambda advice: _suggested(advice, question), Started()
    )


def _suggested(advice: Advice, question: NewWorkflow) -> TemplateSuggestions:
    model: TemplateModel = advice.choice.loaded.predictor
    opening = opening_row(
        {
            "workflow_id": _TO_BE_OPENED,
            "client_id": question.client_id,
            "priority": question.priority,
            "opened_at": question.opened_at or advice.as_of,
            "attributes": json.dumps(question.attributes),
            "opening_team_id": question.team_id,
        }
    )
    with metrics.INFERENCE_SECONDS.labels(Model.TEMPLATE.value).time():
        suggested = model.suggest_row(opening, question.count)
    steps = {} if model.variants is None else model.variants.steps
    said = advice.said(_TO_BE_OPENED, advice.as_of)
    answer = TemplateSuggestions(
        **said,
        templates=[
            Template(
                **{name: _known(value) for name, value in row.items()},
                steps=list(steps[row["template_id"]]) if row["template_id"] in steps else None,
            )
            for row in suggested
        ],
        unknown=_unknown(model, opening),
    )
    advice.log(
        said,
        inputs=question.model_dump(mode="json"),
        features={name: opening[name] for name in advice.choice.loaded.input_columns},
        output={"templates": [one.model_dump() for one in answer.templates]},
    )
    return answer


def next_activities(runtime: "Runtime", question: RunningWorkflow) -> NextActivities:
    """Say which activities may follow in a running workflow.

    Raises:
        ProblemError: the workflow is unknown or closed, or there is no model, clock or database.
    """
    started, workflow_id = Started(), question.workflow_id
    runtime.watch.champion(Model.NEXT_ACTIVITY)  # without one nothing need be read
    as_of = runtime.clock.read().as_of
    events = runtime.history.events([workflow_id], as_of).get(workflow_id)
    if not events:
        raise UnknownWorkflowError(
            f"Workflow {workflow_id!r} is unknown: no event of it had been recorded by "
            f"{as_of.isoformat()}. Check the id.",
            workflow_id=workflow_id,
        )
    closure = events[0]["closure_recorded_at"]
    if closure is not None and closure < as_of:
        raise ClosedWorkflowError(
            f"Workflow {workflow_id!r} has been closed: nothing follows.", workflow_id=workflow_id
        )
    tasks, latest = task_sequence_of(events), max(map(known_at, events))
    return advise(
        runtime,
        Model.NEXT_ACTIVITY,
        workflow_id,
        lambda advice: _following(advice, question, tasks, latest),
        started,
    )


def _following(
    advice: Advice,
    question: RunningWorkflow,
    tasks: Sequence[Mapping[str, Any]],
    latest: datetime,
) -> NextActivities:
    with metrics.INFERENCE_SECONDS.labels(Model.NEXT_ACTIVITY.value).time():
        (found,) = advice.choice.loaded.predictor.predict_workflows([tasks], question.count)
    said = advice.said(question.workflow_id, latest)
    answer = NextActivities(
        **said,
        last_activity=tasks[-1]["activity"],
        next_activities=[
            NextActivity(
                rank=row["rank"],
                activity=None if row["activity"] == END else row["activity"],
                is_end=row["activity"] == END,
                probability=row["probability"],
            )
            for row in found
        ],
    )
    advice.log(
        said,
        inputs=question.model_dump(mode="json"),
        features={"activities": [task["activity"] for task in tasks]},
        output={"next_activities": [one.model_dump() for one in answer.next_activities]},
    )
    return answer


def _unknown(model: TemplateModel, opening: Mapping[str, Any]) -> list[str]:
    """Return which of the things told no past workflow tells apart from others."""
    levels = {c.source: c.levels for c in model.content.encoder.columns if c.kind is Kind.CATEGORY}
    return [
        f"{name} {opening[name]!r}"
        for name in _TOLD
        if opening[name] is not None and opening[name] not in levels.get(name, (opening[name],))
    ]


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
