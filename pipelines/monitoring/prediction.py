"""One answer as it is remembered: what was asked, known, answered, and by which version."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class LoggedPrediction:
    """One row of the table `predictions`; see there for the meaning of each column."""

    prediction_id: UUID
    model_name: str
    model_version: str
    model_alias: str | None
    workflow_id: str
    as_of: datetime
    features_known_at: datetime | None
    requested_at: datetime
    latency_ms: float
    inputs: Mapping[str, Any]
    features: Mapping[str, Any]  # as the model was given them
    output: Mapping[str, Any]
    is_degraded: bool = False
    variant: str | None = None
    propensity: float | None = None
    cached_from: UUID | None = None
    task_id: str | None = field(default=None)

    @property
    def key(self) -> str:
        """What tells it from every other prediction."""
        return str(self.prediction_id)

    @property
    def at(self) -> datetime:
        """When it was asked for."""
        return self.requested_at

    def row(self) -> dict[str, Any]:
        """Return the table's columns."""
        return dict(vars(self))
