"""Answers that are kept, and given once more as new predictions."""

import json
from collections.abc import Mapping
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
from serving.schemas import Answer
from serving.tracing import span
from serving.traffic import Choice

if TYPE_CHECKING:
    from serving.runtime import Runtime


def look(
    runtime: "Runtime", model: Model, choice: Choice, subject: Subject, clock: ClockReading
) -> Found:
    """Look for a kept answer of a version, as of the clock's moment."""
    found = BYPASSED
    if not clock.is_stale:
        with span("cache"):
            found = runtime.cache.find(choice, subject, clock.as_of)
    metrics.CACHE.labels(model.value, found.result.value).inc()
    return found


def keep(
    runtime: "Runtime", found: Found, choice: Choice, clock: ClockReading, answer: Answer
) -> bytes:
    """Return the JSON of an answer, and keep it where it is what was looked for and missed."""
    body = answer.model_dump_json().encode()
    # Only what was computed for the moment, and by the version, that was looked for.
    is_as_found = runtime.clock.read() == clock and answer.model.version == choice.loaded.version
    if found.result is Result.MISS and is_as_found and not answer.is_degraded:
        runtime.cache.keep(found, body, json_text(output_of(answer)).encode())
    return body


def say_again(
    runtime: "Runtime",
    choice: Choice,
    found: Found,
    started: Started,
    *,
    inputs: Mapping[str, Any],
    task_id: str | None = None,
) -> bytes:
    """Return the JSON of a kept answer under an id of its own, and log it.

    What the model was given stands in the row that `cached_from` names.
    """
    prediction_id = uuid4()
    body = found.body(str(prediction_id))
    said = json.loads(body)
    loaded = choice.loaded
    latency_ms = started.latency_ms
    count_answers(choice, 1, latency_ms, is_degraded=False)
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
                requested_at=started.at,
                latency_ms=latency_ms,
                inputs=inputs,
                features={},
                output=json.loads(found.output),
                variant=choice.variant.value,
                propensity=choice.propensity,
                cached_from=UUID(found.first_id),
                task_id=task_id,
            )
        ]
    )
    return body
