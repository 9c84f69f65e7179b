"""Bring every request that named its caller to the table `audit_log`, off the request's path."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import URL

from pipelines.monitoring.batch_log import BatchLog
from pipelines.monitoring.spill import Spill
from pipelines.source.platform_tables import audit_log


@dataclass(frozen=True)
class AuditEntry:
    """One row of the table `audit_log`: who asked what, and how it ended."""

    request_id: UUID
    happened_at: datetime
    actor: str  # a pseudonym
    action: str  # method and path of the operation
    subject: str  # the first prediction that was answered; empty where none was
    details: Mapping[str, Any]

    @property
    def key(self) -> str:
        """What tells it from every other entry."""
        return str(self.request_id)

    @property
    def at(self) -> datetime:
        """When the request came."""
        return self.happened_at

    def row(self) -> dict[str, Any]:
        """Return the table's columns."""
        return dict(vars(self))


class AuditLog(BatchLog[AuditEntry]):
    """The log of who asked what; a row's key is its request_id."""

    def __init__(self, database: URL, spill: Path, **pace: Any) -> None:
        super().__init__(database, audit_log, Spill(spill, AuditEntry), "audit entries", **pace)
