"""The questions of the service: how long a workflow will still take, and will it be late."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from pipelines.contracts import Model
from pipelines.learning.encode import FEW_ROWS
from serving import metrics
from serving.asked import Asked, about, log_answers
from serving.questions import AboutOne, Said, Say, each, many
from serving.reasons import given_values, overdue_reasons, reasons
from serving.schemas import (
    Duration,
    DurationBatch,
    ManyWorkflows,
    OneWorkflow,
    Risk,
    RiskBatch,
    WorkflowProblem,
)
from serving.together import Outcome
from serving.tracing import span
from serving.what_if import what_if

if TYPE_CHECKING:
    from serving.runtime import Runtime

_DUE_AT: Final = "workflow_progress__due_at"
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


def durations(runtime: "Runtime", asked: Sequence[AboutOne]) -> list[Outcome]:
    """Answer some requests, how long one workflow will still take, at once; as `each` does.

    Raises:
        ProblemError: none of them can be answered: no model, no features.
    """
    return each(runtime, Model.REMAINING_TIME, asked, _durations)


def duration_if(runtime: "Runtime", question: OneWorkflow) -> bytes:
    """Answer how long one workflow would still take, as the JSON of a Duration.

    Raises:
        ProblemError: it cannot be answered; one class for each reason.
    """
    return _if(runtime, Model.REMAINING_TIME, question, _durations)


def duration_batch(runtime: "Runtime", asked: ManyWorkflows) -> DurationBatch:
    """Answer for each workflow, or say what is wrong with it, in the order asked.

    Raises:
        ProblemError: nothing at all can be answered: no model, no features.
    """
    answers, problems = _many(runtime, Model.REMAINING_TIME, asked, _durations)
    return DurationBatch(answers=answers, problems=problems)


def risks(runtime: "Runtime", asked: Sequence[AboutOne]) -> list[Outcome]:
    """Answer some requests, how likely one workflow will be late, at once; as `each` does.

    Raises:
        ProblemError: none of them can be answered: no model, no features.
    """
    return each(runtime, Model.DELAY_RISK, asked, _risks)


def risk_if(runtime: "Runtime", question: OneWorkflow) -> bytes:
    """Answer how likely one workflow would be late, as the JSON of a Risk.

    Raises:
        ProblemError: it cannot be answered; one class for each reason.
    """
    return _if(runtime, Model.DELAY_RISK, question, _risks)


def risk_batch(runtime: "Runtime", asked: ManyWorkflows) -> RiskBatch:
    """Answer for each workflow, or say what is wrong with it, in the order asked.

    Raises:
        ProblemError: nothing at all can be answered: no model, no features.
    """
    answers, problems = _many(runtime, Model.DELAY_RISK, asked, _risks)
    return RiskBatch(answers=answers, problems=problems)


def _if(runtime: "Runtime", model: Model, question: OneWorkflow, say: Say[Said]) -> bytes:
    return what_if(runtime, model, question.workflow_id, question.overrides or {}, say)


def _many(
    runtime: "Runtime", model: Model, asked: ManyWorkflows, say: Say[Said]
) -> tuple[list[Said], list[WorkflowProblem]]:
    return many(runtime, model, asked.workflow_ids, say, asked.overrides)


def _durations(asked: Asked, positions: list[int]) -> list[Duration]:
    with _inference(asked):
        predicted = _predicted(asked, positions)
    rows = [asked.rows[position] for position in positions]
    answers = [
        Duration(
            **about(asked, row),
            **figures,
            expected_closed_at=_later(row["as_of"], figures["remaining_time_s"]),
        )
        for row, figures in zip(rows, predicted, strict=True)
    ]
    log_answers(asked, positions, answers)
    return answers


def _risks(asked: Asked, positions: list[int]) -> list[Risk]:
    with _inference(asked):
        predicted, shares = _explained(asked, positions)
    rows = [asked.rows[position] for position in positions]
    encoder = asked.choice.loaded.predictor.encoder
    answers = [
        Risk(
            **about(asked, row),
            **figures,
            due_at=row[_DUE_AT],
            reasons=overdue_reasons(row, figures.get("overdue_s", 0.0))
            or reasons(share, given_values(encoder, row)),
        )
        for row, figures, share in zip(rows, predicted, shares, strict=True)
    ]
    log_answers(asked, positions, answers)
    return answers


@contextmanager
def _inference(asked: Asked) -> Iterator[None]:
    model, version = asked.model.value, asked.choice.loaded.version
    with (
        metrics.INFERENCE_SECONDS.labels(model).time(),
        span("model", model=model, version=version),
    ):
        yield


def _predicted(asked: Asked, positions: list[int]) -> list[dict[str, float]]:
    predictor = asked.choice.loaded.predictor
    if len(positions) <= FEW_ROWS:  # without pandas a few cost a fraction
        return _by_row(predictor.predict_rows([asked.rows[position] for position in positions]))
    frame = predictor.predict(asked.features.frame.iloc[positions])
    return _by_row({str(name): frame[name].to_numpy() for name in frame})


def _explained(
    asked: Asked, positions: list[int]
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    predictor = asked.choice.loaded.predictor
    if len(positions) <= FEW_ROWS:
        rows = [asked.rows[position] for position in positions]
        columns, values = predictor.explained_rows(rows)
        predicted = _by_row(columns)
    else:
        predicted = _predicted(asked, positions)
        frame = asked.features.frame.iloc[positions]
        values = predictor.contributions(frame).to_numpy()[:, :-1]  # the last is no input
    names = predictor.encoder.names
    return predicted, [dict(zip(names, row, strict=True)) for row in values.tolist()]


def _by_row(columns: Mapping[str, npt.NDArray[np.float64]]) -> list[dict[str, float]]:
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _later(moment: datetime, seconds: float) -> datetime:
    """Add seconds; what lies beyond the calendar is its end."""
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return _LATEST
