"""The open alerts, from a snapshot in memory: a database that is away leaves the last one."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

from fastapi import FastAPI, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from pipelines.contracts import RiskKind, Severity
from pipelines.monitoring.alerts import read_open_alerts
from serving.fields import MAX_ID_LENGTH
from serving.poller import Poller
from serving.problems import PROBLEM_CONTENT, ProblemError

if TYPE_CHECKING:
    from serving.runtime import Runtime

logger = logging.getLogger(__name__)

_MOST_READ: Final = 10_000
_RANKS: Final = {severity: rank for rank, severity in enumerate(Severity)}


class AlertsAwayError(ProblemError):
    """The alerts cannot be read, or not be changed."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind = "alerts-away"
    title = "The alerts cannot be asked"


class Alert(BaseModel):
    """One risk that is worth attention, for as long as it holds."""

    model_config = ConfigDict(from_attributes=True)

    alert_id: UUID
    kind: str = Field(examples=[RiskKind.LATE_WORKFLOW.value])
    subject: str = Field(description="Id of the workflow, task, person or activity.")
    severity: Severity
    score: float | None = Field(description="0 to 1; of what is late, a probability.")
    message: str
    as_of: datetime | None = Field(description="Of the history in which it was seen last.")
    raised_at: datetime
    updated_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None


class Alerts(BaseModel):
    """The open alerts asked for, the most severe first; within a severity the newest."""

    alerts: list[Alert]
    matching_count: int = Field(description="Before `limit`.")
    read_at: datetime = Field(description="When they were read from the database.")
    is_stale: bool = Field(description="True: the database could not be asked lately.")


class Wanted(BaseModel):
    """Which alerts to show."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: RiskKind | None = Field(None, description="Only of this kind.")
    subject: str | None = Field(
        None, min_length=1, max_length=MAX_ID_LENGTH, description="Only of this subject."
    )
    min_severity: Severity = Field(Severity.INFO, description="Only so severe or more.")
    limit: int = Field(100, ge=1, le=1_000, description="So many at most.")

    def takes(self, alert: Alert) -> bool:
        """Tell whether an alert is asked for."""
        return (
            (self.kind is None or alert.kind == self.kind)
            and (self.subject is None or alert.subject == self.subject)
            and _RANKS[alert.severity] >= _RANKS[self.min_severity]
        )


@dataclass(frozen=True)
class Snapshot:
    """The open alerts at some moment, in the order in which they are shown."""

    alerts: Sequence[Alert]
    read_at: datetime
    is_stale: bool = False


class AlertBoard:
    """Keep the open alerts at hand, read in the background."""

    def __init__(self, engine: Engine, seconds: float = 5.0) -> None:
        self._engine = engine
        self._snapshot: Snapshot | None = None
        self._poller = Poller("alert-board", self.look, seconds)

    def start(self) -> None:
        """Start reading."""
        self._poller.start()

    def stop(self) -> None:
        """Stop reading."""
        self._poller.stop()

    def look(self) -> None:
        """Read the alerts; without the database the last ones stay, as stale ones."""
        try:
            found = read_open_alerts(self._engine, _MOST_READ)
        except SQLAlchemyError as err:
            last = self._snapshot
            if last is None or not last.is_stale:
                logger.warning("The alerts cannot be read: %s", err)
            if last is not None:
                self._snapshot = replace(last, is_stale=True)
            return
        read = [Alert.model_validate(alert) for alert in found]
        self._snapshot = Snapshot(read, datetime.now(UTC))

    def note(self, alert: Alert) -> None:
        """Show an alert as it has just become, until all are read again."""
        snapshot = self._snapshot
        if snapshot is not None:
            alerts = [alert if one.alert_id == alert.alert_id else one for one in snapshot.alerts]
            self._snapshot = replace(snapshot, alerts=alerts)

    def show(self, wanted: Wanted) -> Alerts:
        """Return the alerts asked for.

        Raises:
            AlertsAwayError: none have been read yet.
        """
        snapshot = self._snapshot
        if snapshot is None:
            raise AlertsAwayError("The alerts have not been read yet: is the database there?")
        matching = [alert for alert in snapshot.alerts if wanted.takes(alert)]
        return Alerts(
            alerts=matching[: wanted.limit],
            matching_count=len(matching),
            read_at=snapshot.read_at,
            is_stale=snapshot.is_stale,
        )


_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    int(HTTPStatus.UNPROCESSABLE_ENTITY): {
        "description": "There is no such filter, or no such value of it.",
        "content": PROBLEM_CONTENT,
    },
    int(HTTPStatus.SERVICE_UNAVAILABLE): {
        "description": "The alerts could not be read once yet.",
        "content": PROBLEM_CONTENT,
    },
}


def add_alerts(app: FastAPI) -> None:
    """Add the route that shows the open alerts."""

    @app.get(
        "/alerts", response_model=Alerts, responses=_RESPONSES, summary="What needs attention?"
    )
    async def alerts(wanted: Annotated[Wanted, Query()], request: Request) -> Response:
        """Show the open alerts: late workflows and tasks, overloaded people, bottlenecks."""
        runtime: Runtime = request.app.state.runtime
        # Encoded once: FastAPI would check and copy every alert a second time.
        body = runtime.alerts.show(wanted).model_dump_json()
        return Response(body, media_type="application/json")
