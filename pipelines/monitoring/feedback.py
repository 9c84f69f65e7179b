"""Bring what people say about predictions to the table `feedback`, off the request's path."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import URL

from pipelines.monitoring.batch_log import BatchLog
from pipelines.monitoring.spill import Spill
from pipelines.source.platform_tables import feedback


class Verdict(StrEnum):
    """What became of an answer."""

    ACCEPTED = "accepted"  # it was acted upon
    OVERRIDDEN = "overridden"  # something else was done instead
    REJECTED = "rejected"  # it was of no use


@dataclass(frozen=True)
class Feedback:
    """One row of the table `feedback`."""

    feedback_id: UUID
    prediction_id: UUID
    kind: Verdict
    content: Mapping[str, Any]  # chosen and reason, where given
    given_by: str
    given_at: datetime

    @property
    def key(self) -> str:
        """What tells it from all other feedback."""
        return str(self.feedback_id)

    @property
    def at(self) -> datetime:
        """When it came."""
        return self.given_at

    def row(self) -> dict[str, Any]:
        """Return the table's columns."""
        return dict(vars(self))


class FeedbackLog(BatchLog[Feedback]):
    """The log of what people say; a row's key is its feedback_id, and the first one stays."""

    def __init__(self, database: URL, spill: Path, **pace: Any) -> None:
        super().__init__(database, feedback, Spill(spill, Feedback), "feedback", **pace)
