"""Which template a new workflow should follow."""

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.contracts import Model
from pipelines.learning.encode import Kind
from pipelines.learning.template.model import TemplateModel
from pipelines.learning.template.openings import opening_row
from serving import metrics
from serving.advice import Advice
from serving.advise import advise
from serving.asked import Started
from serving.template_schemas import NewWorkflow, Template, TemplateSuggestions

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
