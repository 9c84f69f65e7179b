"""Answer questions about workflows: read features, ask a version, log what was said."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

import pandas as pd

from pipelines.contracts import Model
from pipelines.monitoring.prediction import LoggedPrediction
from pipelines.store.online_rows import ServiceRows
from serving import metrics
from serving.problems import (
    ClosedWorkflowError,
    ForgottenWorkflowError,
    ProblemError,
    UnknownWorkflowError,
)
from serving.reasons import given_values, reasons
from serving.schemas import (
    Answer,
    Duration,
    DurationBatch,
    ModelVersion,
    Problem,
    Risk,
    RiskBatch,
    WorkflowProblem,
)
from serving.traffic import Choice, Variant

if TYPE_CHECKING:
    from serving.runtime import Runtime

logger = logging.getLogger(__name__)

_DUE_AT: Final = "workflow_progress__due_at"
_LATEST: Final = datetime.max.replace(tzinfo=UTC)

Row = Mapping[str, Any]
Said = TypeVar("Said", bound=Answer)


@dataclass(frozen=True)
class _Asked:
    """One request, or the part of it that one version answers, while it is answered."""

    runtime: "Runtime"
    model: Model
    choice: Choice
    features: ServiceRows  # a row for each workflow asked about
    rows: Sequence[Row]  # the same
    requested_at: datetime
    started: float
    degraded_because: list[str]


Say = Callable[[_Asked, list[int]], list[Said]]


def one_duration(runtime: "Runtime", workflow_id: str) -> Duration:
    """Answer how long one workflow will still take.

    Raises:
        ProblemError: it cannot be answered; one class for each reason.
    """
    return _one(runtime, Model.REMAINING_TIME, workflow_id, _durations)


def duration_batch(runtime: "Runtime", workflow_ids: Sequence[str]) -> DurationBatch:
    """Answer for each workflow, or say what is wrong with it, in the order asked.

    Raises:
        ProblemError: nothing at all can be answered: no model, no features.
    """
    answers, problems = _many(runtime, Model.REMAINING_TIME, workflow_ids, _durations)
    return DurationBatch(answers=answers, problems=problems)


def one_risk(runtime: "Runtime", workflow_id: str) -> Risk:
    """Answer how likely one workflow will be late.

    Raises:
        ProblemError: it cannot be answered; one class for each reason.
    """
    return _one(runtime, Model.DELAY_RISK, workflow_id, _risks)


def risk_batch(runtime: "Runtime", workflow_ids: Sequence[str]) -> RiskBatch:
    """Answer for each workflow, or say what is wrong with it, in the order asked.

    Raises:
        ProblemError: nothing at all can be answered: no model, no features.
    """
    answers, problems = _many(runtime, Model.DELAY_RISK, workflow_ids, _risks)
    return RiskBatch(answers=answers, problems=problems)


def _one(
    runtime: "Runtime",
    model: Model,
    workflow_id: str,
    say: Say[Said],
) -> Said:
    ((asked, _),) = _ask(runtime, model, [workflow_id])
    fault = _fault(asked.rows[0])
    if fault is not None:
        raise fault
    return _said(asked, [0], say)[0]


def _many(
    runtime: "Runtime",
    model: Model,
    workflow_ids: Sequence[str],
    say: Say[Said],
) -> tuple[list[Said], list[WorkflowProblem]]:
    parts = _ask(runtime, model, workflow_ids)
    faults = [_fault(row) for row in parts[0][0].rows]
    problems = [
        WorkflowProblem(workflow_id=workflow_id, problem=Problem(**fault.content()))
        for workflow_id, fault in zip(workflow_ids, faults, strict=True)
        if fault is not None
    ]
    answers: dict[int, Said] = {}
    for asked, positions in parts:
        sound = [position for position in positions if faults[position] is None]
        if sound:
            answers.update(zip(sound, _said(asked, sound, say), strict=True))
    return [answers[position] for position in sorted(answers)], problems


def _said(asked: _Asked, positions: list[int], say: Say[Said]) -> list[Said]:
    """Answer; a challenger that fails leaves the word to the champion."""
    runtime, variant = asked.runtime, asked.choice.variant
    if variant is Variant.CHALLENGER:
        try:
            return say(asked, positions)
        except Exception:
            logger.exception("The challenger of %s failed; the champion answers", asked.model)
            # With which probability it was to answer here is not defined.
            stand_in = Choice(runtime.watch.champion(asked.model), Variant.CHAMPION, None)
            return say(replace(asked, choice=stand_in), positions)
    answers = say(asked, positions)
    shadow = runtime.traffic.shadow(asked.model)
    if shadow is not None:
        runtime.shadows.add(
            lambda: say(replace(asked, choice=shadow, started=time.perf_counter()), positions)
        )
    return answers


def _ask(
    runtime: "Runtime", model: Model, workflow_ids: Sequence[str]
) -> list[tuple[_Asked, list[int]]]:
    """Read what is known of workflows; return a part for each version that answers."""
    requested_at, started = datetime.now(UTC), time.perf_counter()
    parts = runtime.traffic.choose(model, workflow_ids)
    stale = runtime.clock.read().is_stale
    with metrics.FEATURES_SECONDS.labels(model.value).time():
        features = runtime.features.read(workflow_ids, model)
    whole = _Asked(
        runtime,
        model,
        parts[0][0],
        features,
        features.rows(),
        requested_at,
        started,
        ["the clock of the features could not be read lately"] if stale else [],
    )
    return [(replace(whole, choice=choice), positions) for choice, positions in parts]


def _fault(row: Row) -> ProblemError | None:
    """Say why a workflow cannot be answered about, or None."""
    workflow_id, as_of = row["workflow_id"], row["as_of"].isoformat()
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


def _durations(asked: _Asked, positions: list[int]) -> list[Duration]:
    with metrics.INFERENCE_SECONDS.labels(Model.REMAINING_TIME.value).time():
        predicted = _predicted(asked, positions)
    rows = [asked.rows[position] for position in positions]
    answers = [
        Duration(
            **_about(asked, row),
            **figures,
            expected_closed_at=_later(row["as_of"], figures["remaining_time_s"]),
        )
        for row, figures in zip(rows, predicted, strict=True)
    ]
    _log(asked, rows, answers)
    return answers


def _risks(asked: _Asked, positions: list[int]) -> list[Risk]:
    with metrics.INFERENCE_SECONDS.labels(Model.DELAY_RISK.value).time():
        predicted = _predicted(asked, positions)
        shares = _contributions(asked, positions)
    rows = [asked.rows[position] for position in positions]
    encoder = asked.choice.loaded.predictor.encoder
    answers = [
        Risk(
            **_about(asked, row),
            **figures,
            due_at=row[_DUE_AT],
            reasons=reasons(share, given_values(encoder, row)),
        )
        for row, figures, share in zip(rows, predicted, shares, strict=True)
    ]
    _log(asked, rows, answers)
    return answers


def _predicted(asked: _Asked, positions: list[int]) -> list[dict[str, float]]:
    predictor = asked.choice.loaded.predictor
    if len(positions) == 1:  # without pandas a single row costs a fraction
        return [predictor.predict_row(asked.rows[positions[0]])]
    return _records(predictor.predict(asked.features.frame.iloc[positions]))


def _contributions(asked: _Asked, positions: list[int]) -> list[dict[str, float]]:
    predictor = asked.choice.loaded.predictor
    if len(positions) == 1:
        shares = [predictor.contributions_row(asked.rows[positions[0]])]
    else:
        shares = _records(predictor.contributions(asked.features.frame.iloc[positions]))
    # Without the expected value, which is no input.
    return [{name: share[name] for name in predictor.encoder.names} for share in shares]


def _records(frame: pd.DataFrame) -> list[dict[str, float]]:
    names = [str(name) for name in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in frame.to_numpy(dtype=float).tolist()]


def _about(asked: _Asked, row: Row) -> dict[str, Any]:
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
    }


def _log(asked: _Asked, rows: list[Row], answers: Sequence[Answer]) -> None:
    latency_ms = (time.perf_counter() - asked.started) * 1_000
    outside = set(Answer.model_fields)
    choice = asked.choice
    metrics.ANSWERS.labels(
        choice.loaded.name.value,
        choice.loaded.version,
        str(bool(asked.degraded_because)).lower(),
        choice.variant.value,
    ).inc(len(answers))
    asked.runtime.log.add(
        [
            LoggedPrediction(
                prediction_id=answer.prediction_id,
                model_name=answer.model.name,
                model_version=answer.model.version,
                model_alias=answer.model.alias,
                workflow_id=answer.workflow_id,
                as_of=answer.as_of,
                features_known_at=answer.features_known_at,
                requested_at=asked.requested_at,
                latency_ms=latency_ms,
                inputs={"workflow_id": answer.workflow_id, "workflow_count": len(asked.rows)},
                features={name: row[name] for name in choice.loaded.predictor.input_columns},
                output=answer.model_dump(exclude=outside),
                is_degraded=answer.is_degraded,
                variant=choice.variant.value,
                propensity=choice.propensity,
            )
            for row, answer in zip(rows, answers, strict=True)
        ]
    )


def _later(moment: datetime, seconds: float) -> datetime:
    """Add seconds; what lies beyond the calendar is its end."""
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return _LATEST
