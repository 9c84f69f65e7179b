"""What people say about an answer: taken at once, and written behind the request."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID, uuid4

from fastapi import FastAPI, Request
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from pipelines.monitoring.feedback import Feedback, Verdict
from serving import metrics
from serving.fields import NO_NUL, GivenId, Name
from serving.problems import PROBLEM_CONTENT
from serving.schemas import Strict

if TYPE_CHECKING:
    from serving.runtime import Runtime

MAX_REASON_LENGTH: Final = 2_000

_Text = Annotated[str, StringConstraints(max_length=MAX_REASON_LENGTH, pattern=NO_NUL)]


class GivenFeedback(Strict):
    """What became of one answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "prediction_id": "3f0c6a52-9a1e-4f6e-8f0e-6f2f6d8a4b11",
                    "verdict": "overridden",
                    "by": "team lead",
                    "chosen": "person-17",
                    "reason": "The recommended person is on leave next week.",
                }
            ]
        }
    )

    prediction_id: GivenId = Field(description="Of the answer that this is about.")
    verdict: Annotated[Verdict, Field(strict=False)] = Field(
        description="`accepted`: it was acted upon; `overridden`: something else was done "
        "instead; `rejected`: it was of no use."
    )
    by: Name = Field(description="Who says so: a person's id in the history, or any name.")
    chosen: Name | None = Field(
        None,
        validate_default=True,
        description="What was done instead: the id of a person, a template or an activity, or a "
        "date. Needed with `overridden`, and only there.",
    )
    reason: _Text | None = Field(None, description="Why, in your own words.")
    feedback_id: GivenId | None = Field(
        None,
        description="An id of your own, so that sending it again counts once; the first one "
        "stays. Not given: the service makes one.",
    )

    @field_validator("chosen")
    @classmethod
    def _goes_with_overridden(cls, chosen: str | None, info: ValidationInfo) -> str | None:
        verdict = info.data.get("verdict")  # not there where it is at fault itself
        if verdict is Verdict.OVERRIDDEN and chosen is None:
            raise PydanticCustomError("chosen_missing", "Say what was done instead")
        if verdict in {Verdict.ACCEPTED, Verdict.REJECTED} and chosen is not None:
            raise PydanticCustomError("chosen_idle", "Goes with the verdict overridden only")
        return chosen


class TakenFeedback(BaseModel):
    """That it was taken; it is in the table within a second, or when the database is back."""

    feedback_id: UUID
    prediction_id: UUID


_INVALID: Final = {
    "description": "The request is malformed; the problem names the field.",
    "content": PROBLEM_CONTENT,
}


def add_feedback(app: FastAPI) -> None:
    """Add the route that takes feedback."""

    @app.post(
        "/feedback",
        status_code=HTTPStatus.ACCEPTED,
        responses={int(HTTPStatus.UNPROCESSABLE_ENTITY): _INVALID},
        summary="What became of an answer?",
    )
    def feedback(given: GivenFeedback, request: Request) -> TakenFeedback:
        """Take feedback about one prediction, whether or not it has been written yet.

        A prediction that nobody made is taken, too: the service does not wait for the database.
        """
        runtime: Runtime = request.app.state.runtime
        said = {"chosen": given.chosen, "reason": given.reason}
        taken = Feedback(
            feedback_id=given.feedback_id or uuid4(),
            prediction_id=given.prediction_id,
            kind=given.verdict,
            content={name: value for name, value in said.items() if value is not None},
            given_by=given.by,
            given_at=datetime.now(UTC),
        )
        runtime.feedback.add([taken])
        metrics.FEEDBACK.labels(given.verdict.value).inc()
        return TakenFeedback(feedback_id=taken.feedback_id, prediction_id=taken.prediction_id)
