"""Answers that are kept, and given once more as new predictions."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from pipelines.contracts import Model
from pipelines.monitoring.json_text import json_text
from pipelines.monitoring.prediction import LoggedPrediction
from serving import metrics
from serving.asked import Started, count_answers, output_of
from serving.cache import BYPASSED, Found, Result, Subject
from serving.clock import ClockReading
from serving.problems import ProblemError
from serving.schemas import Answer
from serving.together import Outcome
from serving.tracing import span
from serving.traffic import Choice

if TYPE_CHECKING:
    from serving.runtime import Runtime


@dataclass(frozen=True)
class Asking:
    """A request whose answer may be kept: what about, since when, and what the log has of it."""

    subject: Subject
    started: Started
    inputs: Mapping[str, Any]
    task_id: str | None = None  # that was asked about, if one was


def again_or_anew(
    runtime: "Runtime",
    model: Model,
    asked: Sequence[Asking | ProblemError],
    anew: Callable[[Choice, list[int]], Sequence[Answer | ProblemError]],
) -> list[Outcome]:
    """Answer requests at once: give answers that are kept; have the others made, and keep those.

    Args:
        runtime: what answers.
        model: that is asked.
        asked: the requests; where one cannot be answered, why.
        anew: lets a version answer those at some positions, and log it; or says why not.

    Returns:
        Of each request the answer's JSON, or what its version raised.

    Raises:
        NoChampionError: there is none; says why and what to do.
    """
    said: dict[int, Outcome] = {
        i: one for i, one in enumerate(asked) if isinstance(one, ProblemError)
    }
    sound = {i: one for i, one in enumerate(asked) if isinstance(one, Asking)}
    order, ids = list(sound), [one.subject.workflow_id for one in sound.values()]
    for choice, places in runtime.traffic.choose(model, ids) if ids else []:
        positions = [order[place] for place in places]
        part = [sound[position] for position in positions]

        def of_part(
            new: list[int], choice: Choice = choice, positions: list[int] = positions
        ) -> Sequence[Answer | ProblemError]:
            return anew(choice, [positions[i] for i in new])

        by_choice: Sequence[Outcome]
        try:
            by_choice = _by_choice(runtime, model, choice, part, of_part)
        except Exception as err:  # another version's answers may be logged already
            by_choice = [err] * len(part)
        said.update(zip(positions, by_choice, strict=True))
    return [said[position] for position in range(len(asked))]


def _by_choice(
    runtime: "Runtime",
    model: Model,
    choice: Choice,
    asked: Sequence[Asking],
    anew: Callable[[list[int]], Sequence[Answer | ProblemError]],
) -> list[Outcome]:
    clock = runtime.clock.read()
    found = _look(runtime, model, choice, [one.subject for one in asked], clock)
    new = [i for i, one in enumerate(found) if one.result is not Result.HIT]
    said = dict(zip(new, anew(new) if new else [], strict=True))
    return [
        _keep(runtime, found[i], choice, clock, said[i])
        if i in said
        else _say_again(runtime, choice, found[i], one)
        for i, one in enumerate(asked)
    ]


def _look(
    runtime: "Runtime",
    model: Model,
    choice: Choice,
    subjects: Sequence[Subject],
    clock: ClockReading,
) -> list[Found]:
    """Look for kept answers of a version, as of the clock's moment, in the order of subjects."""
    found = [BYPASSED] * len(subjects)
    if not clock.is_stale:
        with span("cache"):
            found = runtime.cache.find(choice, subjects, clock.as_of)
    for one in found:
        metrics.CACHE.labels(model.value, one.result.value).inc()
    return found


def _keep(
    runtime: "Runtime",
    found: Found,
    choice: Choice,
    clock: ClockReading,
    answer: Answer | ProblemError,
) -> Outcome:
    """Return the JSON of an answer, and keep it where it is what was looked for and missed."""
    if isinstance(answer, ProblemError):
        return answer
    body = answer.model_dump_json().encode()
    # Only what was computed for the moment, and by the version, that was looked for.
    is_as_found = runtime.clock.read() == clock and answer.model.version == choice.loaded.version
    if found.result is Result.MISS and is_as_found and not answer.is_degraded:
        runtime.cache.keep(found, body, json_text(output_of(answer)).encode())
    return body


def _say_again(runtime: "Runtime", choice: Choice, found: Found, asked: Asking) -> bytes:
    """Return the JSON of a kept answer under an id of its own, and log it.

    What the model was given stands in the row that `cached_from` names.
    """
    prediction_id = uuid4()
    body = found.body(str(prediction_id))
    said = json.loads(body)
    loaded = choice.loaded
    latency_ms = asked.started.latency_ms
    count_answers(choice, 1, [latency_ms], is_degraded=False)
    runtime.log.add(
        [
            LoggedPrediction(
                prediction_id=prediction_id,
                model_name=loaded.name.value,
                model_version=loaded.version,
                model_alias=loaded.alias.value,
                workflow_id=said["workflow_id"],
                as_of=datetime.fromisoformat(said["as_of"]),
                features_known_at=datetime.fromisoformat(said["features_known_at"]),
                requested_at=asked.started.at,
                latency_ms=latency_ms,
                inputs=asked.inputs,
                features={},
                output=json.loads(found.output),
                variant=choice.variant.value,
                propensity=choice.propensity,
                cached_from=UUID(found.first_id),
                task_id=asked.task_id,
            )
        ]
    )
    return body
