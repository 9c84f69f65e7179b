"""Give a kept answer once more, as a new prediction."""

import json
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from pipelines.monitoring.prediction import LoggedPrediction
from serving.asked import Started, count_answers
from serving.cache import Found
from serving.traffic import Choice

if TYPE_CHECKING:
    from serving.runtime import Runtime


def say_again(runtime: "Runtime", choice: Choice, found: Found, started: Started) -> bytes:
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
                inputs={"workflow_id": said["workflow_id"], "workflow_count": 1},
                features={},
                output=json.loads(found.output),
                variant=choice.variant.value,
                propensity=choice.propensity,
                cached_from=UUID(found.first_id),
            )
        ]
    )
    return body
