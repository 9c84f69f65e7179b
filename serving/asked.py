"""One question while it is answered: what is known of its workflows, and what is remembered."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from pipelines.contracts import Model
from pipelines.monitoring.prediction import LoggedPrediction
from pipelines.store.online_rows import ServiceRows
from serving import metrics
from serving.problems import (
    ClosedWorkflowError,
    FeaturesAwayError,
    ForgottenWorkflowError,
    ProblemError,
    UnknownWorkflowError,
)
from serving.schemas import Answer, ModelVersion
from serving.tracing import span
from serving.traffic import Choice

if TYPE_CHECKING:
    from serving.runtime import Runtime

# What every answer says about itself; the rest is the model's output.
_ABOUT: Final = {*Answer.model_fields, "is_what_if", "overrides"}

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Started:
    """When a request began."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock_s: float = field(default_factory=time.perf_counter)

    @property
    def latency_ms(self) -> float:
        """Milliseconds since then."""
        return (time.perf_counter() - self.clock_s) * 1_000


@dataclass(frozen=True)
class Asked:
    """What one version answers at once, while it does: a request, a part of one, or several."""

    runtime: "Runtime"
    model: Model
    choice: Choice
    features: ServiceRows  # a row for each workflow asked about
    rows: Sequence[Row]  # the same
    starts: Sequence[Started]  # of each row's request
    workflow_count: int  # that each request asks about
    degraded_because: list[str]
    is_partial: bool  # a workflow without a row may exist all the same
    overrides: Mapping[str, Any] = field(default_factory=dict)  # of features, as they were asked


def ask(
    runtime: "Runtime",
    model: Model,
    choice: Choice,
    workflow_ids: Sequence[str],
    starts: Sequence[Started],
    *,
    workflow_count: int = 1,
) -> Asked:
    """Read what is known of workflows, each with the start of its request.

    Raises:
        FeaturesAwayError: there is no clock, or no features to read.
    """
    is_stale = runtime.clock.read().is_stale
    with metrics.FEATURES_SECONDS.labels(model.value).time(), span("features", model=model.value):
        read = runtime.features.read(workflow_ids, model)
    stale = "the clock of the features could not be read lately" if is_stale else None
    return Asked(
        runtime,
        model,
        choice,
        read.rows,
        read.rows.rows(),
        starts,
        workflow_count,
        [reason for reason in (stale, read.degraded_because) if reason],
        read.is_partial,
    )


def fault_of(asked: Asked, position: int) -> ProblemError | None:
    """Say why a workflow cannot be answered about, or None."""
    row = asked.rows[position]
    workflow_id, as_of = row["workflow_id"], row["as_of"].isoformat()
    if not row["is_known"] and asked.is_partial:
        return FeaturesAwayError(
            f"Workflow {workflow_id!r} is not among those that are answered about while the online "
            "store is away. Ask again later.",
            workflow_id=workflow_id,
        )
    if not row["is_known"]:
        return UnknownWorkflowError(
            f"Workflow {workflow_id!r} is unknown: no event of it had been recorded by {as_of}. "
            "Check the id, or wait until its history has been extracted.",
            workflow_id=workflow_id,
        )
    if row["is_closed"]:
        closed_at = row["closed_at"]
        since = "" if closed_at is None else f" since {closed_at.isoformat()}"
        return ClosedWorkflowError(
            f"Workflow {workflow_id!r} has been closed{since}: there is nothing left to predict.",
            workflow_id=workflow_id,
            closed_at=None if closed_at is None else closed_at.isoformat(),
        )
    if row["features_known_at"] is None:
        return ForgottenWorkflowError(
            f"Workflow {workflow_id!r} has no event young enough to predict from at {as_of}. "
            "It needs a new event, or to be closed in the source.",
            workflow_id=workflow_id,
        )
    return None


def about(asked: Asked, row: Row) -> dict[str, Any]:
    """Return what every answer says about itself."""
    return {
        "prediction_id": uuid4(),
        "workflow_id": row["workflow_id"],
        "model": ModelVersion(
            name=asked.choice.loaded.name.value,
            version=asked.choice.loaded.version,
            alias=asked.choice.loaded.alias.value,
        ),
        "as_of": row["as_of"],
        "features_known_at": row["features_known_at"],
        "is_degraded": bool(asked.degraded_because),
        "degraded_because": asked.degraded_because,
        "is_what_if": bool(asked.overrides),
        "overrides": asked.overrides,
    }


def log_answers(asked: Asked, positions: Sequence[int], answers: Sequence[Answer]) -> None:
    """Remember answers about the rows at some positions, with what they rest on."""
    is_degraded = bool(asked.degraded_because)
    # A request for several of them took its time once.
    starts = [asked.starts[position] for position in positions]
    latencies_ms = {started: started.latency_ms for started in starts}
    count_answers(asked.choice, len(answers), latencies_ms.values(), is_degraded=is_degraded)
    columns = asked.choice.loaded.input_columns
    with span("log"):
        asked.runtime.log.add(
            [
                _logged(asked, position, answer, columns, latencies_ms)
                for position, answer in zip(positions, answers, strict=True)
            ]
        )


def _logged(
    asked: Asked,
    position: int,
    answer: Answer,
    columns: Sequence[str],
    latencies_ms: Mapping[Started, float],
) -> LoggedPrediction:
    row, started, choice = asked.rows[position], asked.starts[position], asked.choice
    return LoggedPrediction(
        prediction_id=answer.prediction_id,
        model_name=answer.model.name,
        model_version=answer.model.version,
        model_alias=answer.model.alias,
        workflow_id=answer.workflow_id,
        as_of=answer.as_of,
        features_known_at=answer.features_known_at,
        requested_at=started.at,
        latency_ms=latencies_ms[started],
        inputs=inputs_of(answer.workflow_id, asked.workflow_count, asked.overrides),
        features={name: row[name] for name in columns},
        output=output_of(answer),
        is_degraded=answer.is_degraded,
        variant=choice.variant.value,
        propensity=choice.propensity,
    )


def inputs_of(
    workflow_id: str, count: int = 1, overrides: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return what the log has of a question about a workflow, asked about with others."""
    changed = {"overrides": overrides} if overrides else {}
    return {"workflow_id": workflow_id, "workflow_count": count, **changed}


def output_of(answer: Answer) -> dict[str, Any]:
    """Return what the log has of an answer as its model's output."""
    return answer.model_dump(exclude=_ABOUT)


def count_answers(
    choice: Choice, count: int, latencies_ms: Iterable[float], *, is_degraded: bool
) -> None:
    """Count answers of one version, and how long each request for them took."""
    version = (choice.loaded.name.value, choice.loaded.version, choice.variant.value)
    metrics.ANSWERS.labels(*version, str(is_degraded).lower()).inc(count)
    for latency_ms in latencies_ms:
        metrics.ANSWER_SECONDS.labels(*version).observe(latency_ms / 1_000)
