"""What advice beyond a workflow's own features has in common: the version, and the log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from pipelines.contracts import Model
from pipelines.monitoring.prediction import LoggedPrediction
from serving.asked import Started, count_answers
from serving.schemas import ModelVersion
from serving.traffic import Choice

if TYPE_CHECKING:
    from serving.runtime import Runtime


@dataclass(frozen=True)
class Advice:
    """One answer while it is given: by which version, about which moment."""

    runtime: "Runtime"
    model: Model
    choice: Choice
    as_of: datetime
    degraded_because: list[str]
    started: Started
    prediction_id: UUID = field(default_factory=uuid4)

    @classmethod
    def by(cls, runtime: "Runtime", model: Model, choice: Choice, started: Started) -> "Advice":
        """Begin an answer of one version.

        Raises:
            FeaturesAwayError: there is no clock.
        """
        clock = runtime.clock.read()
        because = ["the clock of the features could not be read lately"] if clock.is_stale else []
        return cls(runtime, model, choice, clock.as_of, because, started)

    @classmethod
    def each(
        cls, runtime: "Runtime", model: Model, choice: Choice, starts: Sequence[Started]
    ) -> "list[Advice]":
        """Begin some answers of one version about one moment, as `by` does.

        Raises:
            FeaturesAwayError: there is no clock.
        """
        first = cls.by(runtime, model, choice, starts[0])
        return [
            replace(
                first,
                degraded_because=[*first.degraded_because],
                started=started,
                prediction_id=uuid4(),
            )
            for started in starts
        ]

    def degrade(self, because: str | None) -> None:
        """Remember why the answer is worse than it would otherwise be, if something makes it so."""
        if because is not None:
            self.degraded_because.append(because)

    def said(self, workflow_id: str, features_known_at: datetime) -> dict[str, Any]:
        """Return what every answer says about itself."""
        loaded = self.choice.loaded
        return {
            "prediction_id": self.prediction_id,
            "workflow_id": workflow_id,
            "model": ModelVersion(
                name=loaded.name.value, version=loaded.version, alias=loaded.alias.value
            ),
            "as_of": self.as_of,
            "features_known_at": features_known_at,
            "is_degraded": bool(self.degraded_because),
            "degraded_because": self.degraded_because,
        }

    def log(
        self,
        answer: Mapping[str, Any],
        *,
        inputs: Mapping[str, Any],
        features: Mapping[str, Any],
        output: Mapping[str, Any],
        task_id: str | None = None,
    ) -> None:
        """Remember the answer, off the request's path.

        Args:
            answer: what `said` returned.
            inputs: what was asked.
            features: what the version was given, as far as one row tells it.
            output: what it answered.
            task_id: that was asked about, if one was.
        """
        loaded, is_degraded = self.choice.loaded, bool(self.degraded_because)
        latency_ms = self.started.latency_ms
        count_answers(self.choice, 1, [latency_ms], is_degraded=is_degraded)
        self.runtime.log.add(
            [
                LoggedPrediction(
                    prediction_id=self.prediction_id,
                    model_name=loaded.name.value,
                    model_version=loaded.version,
                    model_alias=loaded.alias.value,
                    workflow_id=answer["workflow_id"],
                    as_of=self.as_of,
                    features_known_at=answer["features_known_at"],
                    requested_at=self.started.at,
                    latency_ms=latency_ms,
                    inputs=inputs,
                    features=features,
                    output=output,
                    is_degraded=is_degraded,
                    variant=self.choice.variant.value,
                    propensity=self.choice.propensity,
                    task_id=task_id,
                )
            ]
        )
