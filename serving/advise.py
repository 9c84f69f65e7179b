"""Let the version that answers about a workflow give advice; a shadow says the same once more."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pipelines.contracts import Model
from serving.advice import Advice
from serving.again import keep, look, say_again
from serving.asked import Started
from serving.cache import Result, Subject
from serving.problems import ProblemError
from serving.schemas import Answer
from serving.traffic import Choice, Variant
from serving.what_if import say_what_if

if TYPE_CHECKING:
    from serving.runtime import Runtime

logger = logging.getLogger(__name__)

Said = TypeVar("Said")


def advise(
    runtime: "Runtime",
    model: Model,
    workflow_id: str,
    say: Callable[[Advice], Said],
    started: Started,
) -> Said:
    """Let the version that answers about a workflow, or what stands for one, say something.

    Raises:
        NoChampionError: there is none; says why and what to do.
        ProblemError: what `say` raises, and where there is no clock.
    """
    one = advise_about_each(runtime, model, [workflow_id], lambda of, _: [say(of)], started)
    return one[0]


def advise_again(
    runtime: "Runtime",
    model: Model,
    subject: Subject,
    say: Callable[[Advice], Answer],
    started: Started,
    *,
    inputs: Mapping[str, Any],
    task_id: str | None = None,
) -> bytes:
    """Give advice that is kept, else advise and keep it; return the JSON of the answer.

    Args:
        runtime: what answers.
        model: that is asked.
        subject: what the advice is about, and all it rests on.
        say: gives the advice, and logs it.
        started: when the request began.
        inputs: what was asked, as `say` logs it.
        task_id: that was asked about, if one was.

    Raises:
        NoChampionError: there is none; says why and what to do.
        ProblemError: what `say` raises, and where there is no clock.
    """
    ((choice, _),) = runtime.traffic.choose(model, [subject.workflow_id])
    clock = runtime.clock.read()
    found = look(runtime, model, choice, subject, clock)
    if found.result is Result.HIT:
        return say_again(runtime, choice, found, started, inputs=inputs, task_id=task_id)
    answer = advise(runtime, model, subject.workflow_id, say, started)
    return keep(runtime, found, choice, clock, answer)


def advise_what_if(
    runtime: "Runtime",
    model: Model,
    workflow_id: str,
    say: Callable[[Advice], Said],
    started: Started,
) -> Said:
    """Let the version that answers about a workflow say what would be if it were otherwise.

    It is advice that is neither kept nor found kept, and that no shadow gives.

    Raises:
        NoChampionError: there is none; says why and what to do.
        ProblemError: what `say` raises, and where there is no clock.
    """
    ((choice, _),) = runtime.traffic.choose(model, [workflow_id])
    return say_what_if(
        runtime, model, choice, lambda of: say(Advice.by(runtime, model, of, started))
    )


def advise_about_each(
    runtime: "Runtime",
    model: Model,
    workflow_ids: Sequence[str],
    say: Callable[[Advice, Sequence[int]], Sequence[Said]],
    started: Started,
) -> list[Said]:
    """Let each workflow's version say something; a challenger that fails leaves it to the champion.

    Where the model has a shadow, that says the same once more, behind the answers.

    Args:
        runtime: what answers.
        model: that is asked.
        workflow_ids: a workflow for each answer.
        say: answers about the workflows at some positions, and logs it.
        started: when the request began.

    Raises:
        NoChampionError: there is none; says why and what to do.
        ProblemError: what `say` raises, and where there is no clock.
    """
    said: dict[int, Said] = {}
    for choice, positions in runtime.traffic.choose(model, workflow_ids):

        def by(of: Choice, since: Started, about: Sequence[int] = positions) -> Sequence[Said]:
            return say(Advice.by(runtime, model, of, since), about)

        said.update(zip(positions, _by_choice(runtime, model, choice, started, by), strict=True))
    return [said[position] for position in range(len(workflow_ids))]


def _by_choice(
    runtime: "Runtime",
    model: Model,
    choice: Choice,
    started: Started,
    by: Callable[[Choice, Started], Sequence[Said]],
) -> Sequence[Said]:
    if choice.variant is Variant.CHALLENGER:
        try:
            return by(choice, started)
        except ProblemError:
            raise
        except Exception:
            logger.exception("The challenger of %s failed; the champion answers", model)
            # With which probability it was to answer here is not defined.
            return by(Choice(runtime.watch.champion(model), Variant.CHAMPION, None), started)
    said = by(choice, started)
    shadow = runtime.traffic.shadow(model)
    if shadow is not None:
        runtime.shadows.add(lambda: by(shadow, Started()))
    return said
