"""What if a workflow's features were others: the model's answer, and nothing but that.

It is no prediction about the workflow as it is: never kept for others, never shadowed, and logged
as a variant of its own, which monitoring leaves out.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipelines.contracts import Alias, Model
from serving.asked import Asked, Started, ask, fault_of
from serving.overrides import Overrides, overridden
from serving.problems import ProblemError
from serving.schemas import Answer
from serving.traffic import Variant

if TYPE_CHECKING:
    from serving.runtime import Runtime

logger = logging.getLogger(__name__)


def what_if(
    runtime: "Runtime",
    model: Model,
    workflow_id: str,
    overrides: Overrides,
    say: Callable[[Asked, list[int]], list[Any]],
) -> bytes:
    """Answer about one workflow as if some of its features were others; return the JSON.

    Raises:
        ProblemError: it cannot be answered; one class for each reason.
    """
    started = Started()
    ((choice, _),) = runtime.traffic.choose(model, [workflow_id])
    asked = ask(runtime, model, choice, [workflow_id], started)
    fault = fault_of(asked, 0)
    if fault is not None:
        raise fault
    answer: Answer
    (answer,) = as_if(asked, [0], overrides, say)
    return answer.model_dump_json().encode()


def as_if(
    asked: Asked,
    positions: list[int],
    overrides: Overrides,
    say: Callable[[Asked, list[int]], list[Any]],
) -> list[Any]:
    """Answer as if these features of each were others; for a challenger that fails, the champion.

    Raises:
        InvalidRequestError: the version has no such feature, or the feature no such value.
    """
    choice = replace(asked.choice, variant=Variant.WHAT_IF, propensity=None)
    asked = replace(asked, choice=choice)
    try:
        return say(_changed(asked, overrides), positions)
    except ProblemError:
        raise
    except Exception:
        if choice.loaded.alias is not Alias.CHALLENGER:
            raise
        logger.exception("The challenger of %s failed; the champion answers", asked.model)
        choice = replace(choice, loaded=asked.runtime.watch.champion(asked.model))
        return say(_changed(replace(asked, choice=choice), overrides), positions)


def _changed(asked: Asked, overrides: Overrides) -> Asked:
    known = asked.choice.loaded.predictor.encoder.columns
    features = overridden(asked.features, known, overrides, asked.model)
    return replace(asked, features=features, rows=features.rows(), overrides=dict(overrides))
