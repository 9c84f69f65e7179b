"""Someone takes an alert up: noted at once, so that nobody else has to."""

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI, Request, Response
from pydantic import ConfigDict, Field
from sqlalchemy.exc import SQLAlchemyError

from pipelines.monitoring.alerts import acknowledge_alert
from serving.alerts import Alert, AlertsAwayError
from serving.fields import GivenId, Name
from serving.lanes import Lane
from serving.problems import PROBLEM_CONTENT, ProblemError
from serving.responses import answered, runtime_of
from serving.schemas import Strict

if TYPE_CHECKING:
    from serving.runtime import Runtime

logger = logging.getLogger(__name__)

_AWAY: Final = "The database does not take it: nothing has been noted. Try again in a while."


class UnknownAlertError(ProblemError):
    """No alert of this id is open."""

    status = HTTPStatus.NOT_FOUND
    kind = "unknown-alert"
    title = "Unknown alert"


class Acknowledgement(Strict):
    """Say who takes an open alert up."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"alert_id": "0b9d3f5e-6d0a-4c43-9f0f-0d3c1d7a2b10", "by": "team lead"}]
        }
    )

    alert_id: GivenId = Field(description="As `/alerts` shows it.")
    by: Name = Field(description="Who takes it up: a person's id in the history, or any name.")


_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    int(HTTPStatus.NOT_FOUND): {
        "description": "No such alert is open.",
        "content": PROBLEM_CONTENT,
    },
    int(HTTPStatus.UNPROCESSABLE_ENTITY): {
        "description": "The request is malformed; the problem names the field.",
        "content": PROBLEM_CONTENT,
    },
    int(HTTPStatus.SERVICE_UNAVAILABLE): {
        "description": "The database cannot be asked: nothing has been noted.",
        "content": PROBLEM_CONTENT,
    },
}


def acknowledge(runtime: "Runtime", given: Acknowledgement) -> Alert:
    """Note who takes an alert up; whoever was first stays.

    Raises:
        UnknownAlertError: none of this id is open.
        AlertsAwayError: the database does not take it.
    """
    if runtime.source.is_away:  # it is the same database: nobody waits for it
        raise AlertsAwayError(_AWAY)
    try:
        found = acknowledge_alert(runtime.engine, given.alert_id, given.by)
    except SQLAlchemyError as err:
        logger.warning("An alert cannot be acknowledged: %s", err)
        raise AlertsAwayError(_AWAY) from err
    if found is None:
        raise UnknownAlertError(
            f"alert_id: no alert {given.alert_id} is open. It may have closed, as alerts do when "
            "what they warn of is over; `/alerts` shows those that are open.",
            alert_id=str(given.alert_id),
        )
    alert = Alert.model_validate(found)
    runtime.alerts.note(alert)
    return alert


def add_acknowledge(app: FastAPI) -> None:
    """Add the route that takes acknowledgements."""

    @app.post(
        "/acknowledge_alert",
        response_model=Alert,
        responses=_RESPONSES,
        summary="Who takes an alert up?",
    )
    async def acknowledge_alert(given: Acknowledgement, request: Request) -> Response:
        """Note who has taken an open alert up; a second time changes nothing."""
        return await answered(Lane.ADVICE, acknowledge, runtime_of(request), given)
