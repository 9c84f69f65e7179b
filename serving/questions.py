"""How a question about workflows is answered, whatever the model: one, or many at once.

The version is chosen, an answer that is kept is given again, else features are read, the version
answers, and the challenger may compute along behind the answer.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pipelines.contracts import Model
from serving import metrics
from serving.again import say_again
from serving.asked import Asked, Started, ask, fault_of
from serving.schemas import Answer, Problem, WorkflowProblem
from serving.traffic import Choice, Variant

if TYPE_CHECKING:
    from serving.runtime import Runtime

logger = logging.getLogger(__name__)

Said = TypeVar("Said", bound=Answer)
Say = Callable[[Asked, list[int]], list[Said]]
"""Answers about the rows at some positions, and logs it."""


def one(runtime: "Runtime", model: Model, workflow_id: str, say: Say[Said]) -> bytes:
    """Answer about one workflow; return the answer's JSON.

    Raises:
        ProblemError: it cannot be answered; one class for each reason.
    """
    started = Started()
    ((choice, _),) = runtime.traffic.choose(model, [workflow_id])
    clock = runtime.clock.read()
    found = None if clock.is_stale else runtime.cache.find(choice, workflow_id, clock.as_of)
    if found is not None and found.is_hit:
        metrics.CACHE.labels(model.value, "hit").inc()
        return say_again(runtime, choice, found, started)
    metrics.CACHE.labels(model.value, "bypass" if found is None else "miss").inc()
    asked = ask(runtime, model, choice, [workflow_id], started)
    fault = fault_of(asked.rows[0])
    if fault is not None:
        raise fault
    (answer,) = _said(asked, [0], say)
    body = answer.model_dump_json().encode()
    # Only what was computed for the moment, and by the version, that was looked for.
    is_as_found = runtime.clock.read() == clock and answer.model.version == choice.loaded.version
    if found is not None and is_as_found and not answer.is_degraded:
        runtime.cache.keep(found, body)
    return body


def many(
    runtime: "Runtime", model: Model, workflow_ids: Sequence[str], say: Say[Said]
) -> tuple[list[Said], list[WorkflowProblem]]:
    """Answer about each workflow, or say what is wrong with it, both in the order asked.

    Raises:
        ProblemError: nothing at all can be answered: no model, no features.
    """
    parts = runtime.traffic.choose(model, workflow_ids)
    whole = ask(runtime, model, parts[0][0], workflow_ids, Started())
    faults = [fault_of(row) for row in whole.rows]
    problems = [
        WorkflowProblem(workflow_id=workflow_id, problem=Problem(**fault.content()))
        for workflow_id, fault in zip(workflow_ids, faults, strict=True)
        if fault is not None
    ]
    answers: dict[int, Said] = {}
    for choice, positions in parts:
        sound = [position for position in positions if faults[position] is None]
        if sound:
            said = _said(replace(whole, choice=choice), sound, say)
            answers.update(zip(sound, said, strict=True))
    return [answers[position] for position in sorted(answers)], problems


def _said(asked: Asked, positions: list[int], say: Say[Said]) -> list[Said]:
    """Answer; a challenger that fails leaves the word to the champion."""
    if asked.choice.variant is Variant.CHALLENGER:
        try:
            return say(asked, positions)
        except Exception:
            logger.exception("The challenger of %s failed; the champion answers", asked.model)
            champion = asked.runtime.watch.champion(asked.model)
            # With which probability it was to answer here is not defined.
            return say(replace(asked, choice=Choice(champion, Variant.CHAMPION, None)), positions)
    answers = say(asked, positions)
    shadow = asked.runtime.traffic.shadow(asked.model)
    if shadow is not None:
        asked.runtime.shadows.add(
            lambda: say(replace(asked, choice=shadow, started=Started()), positions)
        )
    return answers
