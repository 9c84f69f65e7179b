"""What if features were others: the model's answer, and nothing but that.

It is no prediction about anything as it is: never kept for others, never shadowed, and logged
as a variant of its own, which monitoring leaves out.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from pipelines.contracts import Alias, Model
from serving.asked import Asked, Started, ask, fault_of
from serving.overrides import Overrides, overridden
from serving.problems import ProblemError
from serving.schemas import Answer
from serving.traffic import Choice, Variant

if TYPE_CHECKING:
    from serving.runtime import Runtime

logger = logging.getLogger(__name__)

Said = TypeVar("Said")


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
    asked = ask(runtime, model, choice, [workflow_id], [started])
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

    def by(choice: Choice) -> list[Any]:
        return say(_changed(replace(asked, choice=choice), overrides), positions)

    return say_what_if(asked.runtime, asked.model, asked.choice, by)


def say_what_if(
    runtime: "Runtime", model: Model, choice: Choice, by: Callable[[Choice], Said]
) -> Said:
    """Let a version say what would be; for a challenger that fails, the champion.

    Raises:
        ProblemError: what `by` raises.
    """
    choice = replace(choice, variant=Variant.WHAT_IF, propensity=None)
    try:
        return by(choice)
    except ProblemError:
        raise
    except Exception:
        if choice.loaded.alias is not Alias.CHALLENGER:
            raise
        logger.exception("The challenger of %s failed; the champion answers", model)
        return by(replace(choice, loaded=runtime.watch.champion(model)))


def _changed(asked: Asked, overrides: Overrides) -> Asked:
    known = asked.choice.loaded.predictor.encoder.columns
    features = overridden(asked.features, known, overrides, asked.model)
    return replace(asked, features=features, rows=features.rows(), overrides=dict(overrides))
