"""How questions about workflows are answered, whatever the model: one each, or many at once.

The version is chosen, an answer that is kept is given again, else features are read, the version
answers, and the challenger may compute along behind the answer.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from pipelines.contracts import Model
from serving.again import Asking, again_or_anew
from serving.asked import Asked, Started, ask, fault_of, inputs_of
from serving.cache import Subject
from serving.overrides import Overrides
from serving.problems import ProblemError
from serving.schemas import Answer, Problem, WorkflowProblem
from serving.together import Outcome
from serving.tracing import span
from serving.traffic import Choice, Variant
from serving.what_if import as_if

if TYPE_CHECKING:
    from serving.runtime import Runtime

logger = logging.getLogger(__name__)

Said = TypeVar("Said", bound=Answer)
Say = Callable[[Asked, list[int]], list[Said]]
"""Answers about the rows at some positions, and logs it."""


@dataclass(frozen=True)
class AboutOne:
    """A request that asks about one workflow, as it is."""

    workflow_id: str
    started: Started = field(default_factory=Started)


def each(
    runtime: "Runtime", model: Model, questions: Sequence[AboutOne], say: Say[Said]
) -> list[Outcome]:
    """Answer some requests at once; return each answer's JSON, or why there is none.

    Raises:
        ProblemError: none of them can be answered: no model, no features.
    """

    def anew(choice: Choice, positions: Sequence[int]) -> list[Said | ProblemError]:
        new = [questions[position] for position in positions]
        ids, starts = [one.workflow_id for one in new], [one.started for one in new]
        asked = ask(runtime, model, choice, ids, starts)
        faults = [fault_of(asked, position) for position in range(len(new))]
        sound = [position for position, fault in enumerate(faults) if fault is None]
        said = iter(_said(asked, sound, say) if sound else [])
        return [next(said) if fault is None else fault for fault in faults]

    askings = [
        Asking(Subject(one.workflow_id), one.started, inputs_of(one.workflow_id))
        for one in questions
    ]
    return again_or_anew(runtime, model, askings, anew)


def many(
    runtime: "Runtime",
    model: Model,
    workflow_ids: Sequence[str],
    say: Say[Said],
    overrides: Overrides | None = None,
) -> tuple[list[Said], list[WorkflowProblem]]:
    """Answer about each workflow, or say what is wrong with it, both in the order asked.

    With `overrides`, as if these features of each were others.

    Raises:
        ProblemError: nothing at all can be answered: no model, no features, no such feature.
    """
    parts, count = runtime.traffic.choose(model, workflow_ids), len(workflow_ids)
    whole = ask(
        runtime, model, parts[0][0], workflow_ids, [Started()] * count, workflow_count=count
    )
    faults = [fault_of(whole, position) for position in range(count)]
    problems = [
        WorkflowProblem(workflow_id=workflow_id, problem=Problem(**fault.content()))
        for workflow_id, fault in zip(workflow_ids, faults, strict=True)
        if fault is not None
    ]
    answers: dict[int, Said] = {}
    for choice, positions in parts:
        sound = [position for position in positions if faults[position] is None]
        if sound:
            part = replace(whole, choice=choice)
            said = as_if(part, sound, overrides, say) if overrides else _said(part, sound, say)
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
            lambda: _in_the_shadow(replace(asked, choice=shadow), positions, say)
        )
    return answers


def _in_the_shadow(asked: Asked, positions: list[int], say: Say[Said]) -> None:
    with span("shadow", model=asked.model.value):
        say(replace(asked, starts=[Started()] * len(asked.starts)), positions)
