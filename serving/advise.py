"""Let the version that answers about a workflow give advice; a shadow says the same once more."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from pipelines.contracts import Model
from serving.advice import Advice
from serving.asked import Started
from serving.problems import ProblemError
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

    def say_one(each: Sequence[Advice], _: Sequence[int]) -> Sequence[Said]:
        return [say(each[0])]

    return advise_about_each(runtime, model, [workflow_id], say_one, [started])[0]


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
    say: Callable[[Sequence[Advice], Sequence[int]], Sequence[Said]],
    starts: Sequence[Started],
) -> list[Said]:
    """Let each workflow's version say something; a challenger that fails leaves it to the champion.

    Where the model has a shadow, that says the same once more, behind the answers.

    Args:
        runtime: what answers.
        model: that is asked.
        workflow_ids: a workflow for each answer.
        say: answers about the workflows at some positions, and logs it; all by one version.
        starts: when the request of each began.

    Raises:
        NoChampionError: there is none; says why and what to do.
        ProblemError: what `say` raises, and where there is no clock.
    """
    said: dict[int, Said] = {}
    for choice, positions in runtime.traffic.choose(model, workflow_ids):

        def by(
            of: Choice, since: Sequence[Started], about: Sequence[int] = positions
        ) -> Sequence[Said]:
            return say(Advice.each(runtime, model, of, since), about)

        of_part = [starts[position] for position in positions]
        said.update(zip(positions, _by_choice(runtime, model, choice, of_part, by), strict=True))
    return [said[position] for position in range(len(workflow_ids))]


def _by_choice(
    runtime: "Runtime",
    model: Model,
    choice: Choice,
    starts: Sequence[Started],
    by: Callable[[Choice, Sequence[Started]], Sequence[Said]],
) -> Sequence[Said]:
    if choice.variant is Variant.CHALLENGER:
        try:
            return by(choice, starts)
        except ProblemError:
            raise
        except Exception:
            logger.exception("The challenger of %s failed; the champion answers", model)
            # With which probability it was to answer here is not defined.
            return by(Choice(runtime.watch.champion(model), Variant.CHAMPION, None), starts)
    said = by(choice, starts)
    shadow = runtime.traffic.shadow(model)
    if shadow is not None:
        runtime.shadows.add(lambda: by(shadow, [Started()] * len(starts)))
    return said
