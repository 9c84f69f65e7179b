"""Keep the table `alerts`: one open alert a subject and kind, for as long as its risk holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Engine, case, func, select, text
from sqlalchemy.dialects.postgresql import insert

from pipelines.contracts import RiskKind, Severity
from pipelines.source.platform_tables import alerts

# The index that nothing is open twice by.
_SAME: Final[dict[str, Any]] = {
    "index_elements": [alerts.c.kind, alerts.c.subject],
    "index_where": alerts.c.closed_at.is_(None),
}
_UPDATED: Final = ("severity", "score", "message", "as_of")


@dataclass(frozen=True)
class Alert:
    """One risk that is worth a person's attention."""

    kind: RiskKind
    subject: str
    severity: Severity
    score: float  # 0 to 1
    message: str
    as_of: datetime  # of the history it was seen in


@dataclass(frozen=True)
class OpenAlert:
    """One alert of the table, while it is open."""

    alert_id: UUID
    kind: str
    subject: str
    severity: Severity
    score: float | None
    message: str
    as_of: datetime | None
    raised_at: datetime
    updated_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None


_COLUMNS: Final = [alerts.c[name] for name in OpenAlert.__dataclass_fields__]


@dataclass(frozen=True)
class AlertChanges:
    """What has become of the alerts of one kind."""

    raised_count: int
    updated_count: int
    closed_count: int


def settle_alerts(engine: Engine, kind: RiskKind, found: Sequence[Alert]) -> AlertChanges:
    """Raise what is new of a kind, update what is open, and close what was not found again.

    Doing it again changes only `updated_at`. Runs that meet wait for each other; an alert that
    was closed and comes back is a new one.

    Args:
        engine: of the platform's database.
        kind: of all that was found; alerts of other kinds stay as they are.
        found: each subject once.
    """
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE workcast.alerts IN SHARE ROW EXCLUSIVE MODE"))
        # Not the transaction's time: it may have waited for the lock.
        now = connection.execute(select(func.clock_timestamp())).scalar_one()
        of_kind = (alerts.c.kind == kind.value) & alerts.c.closed_at.is_(None)
        before = set(connection.scalars(select(alerts.c.subject).where(of_kind)))
        if found:
            _upsert(connection, found, now)
        subjects = {alert.subject for alert in found}
        gone = sorted(before - subjects)
        if gone:
            connection.execute(
                alerts.update()
                .where(of_kind, alerts.c.subject == func.any(gone))
                .values(closed_at=func.greatest(alerts.c.raised_at, now), updated_at=now)
            )
    return AlertChanges(len(subjects - before), len(subjects & before), len(gone))


def read_open_alerts(engine: Engine, max_count: int) -> list[OpenAlert]:
    """Read the open alerts, the most severe first; within a severity the newest, then greatest."""
    query = (
        select(*_COLUMNS)
        .where(alerts.c.closed_at.is_(None))
        .order_by(
            _rank().desc(),
            alerts.c.raised_at.desc(),
            alerts.c.score.desc().nulls_last(),
            alerts.c.kind,
            alerts.c.subject,
        )
        .limit(max_count)
    )
    with engine.connect() as connection:
        return [_open_alert(row) for row in connection.execute(query).mappings()]


def acknowledge_alert(engine: Engine, alert_id: UUID, by: str) -> OpenAlert | None:
    """Note who has taken an open alert up, and when; whoever was first stays.

    Returns:
        The alert; None where none of this id is open.
    """
    is_it = (alerts.c.alert_id == alert_id) & alerts.c.closed_at.is_(None)
    # The clock's time, not the transaction's; an alert is not acknowledged before it was raised.
    now = func.greatest(alerts.c.raised_at, func.clock_timestamp())
    first = (
        alerts.update()
        .where(is_it, alerts.c.acknowledged_at.is_(None))
        .values(acknowledged_at=now, acknowledged_by=by)
        .returning(*_COLUMNS)
    )
    with engine.begin() as connection:
        row = connection.execute(first).mappings().one_or_none()
        if row is None:  # somebody was before, whom the next statement sees
            row = connection.execute(select(*_COLUMNS).where(is_it)).mappings().one_or_none()
    return None if row is None else _open_alert(row)


def _open_alert(row: Mapping[Any, Any]) -> OpenAlert:
    return OpenAlert(**{**row, "severity": Severity(row["severity"])})


def _rank() -> Any:
    ranks = {severity.value: rank for rank, severity in enumerate(Severity)}
    return case(ranks, value=alerts.c.severity)


def _upsert(connection: Connection, found: Sequence[Alert], now: datetime) -> None:
    statement = insert(alerts)
    values = {name: statement.excluded[name] for name in (*_UPDATED, "updated_at")}
    rows = [vars(alert) | {"raised_at": now, "updated_at": now} for alert in found]
    connection.execute(statement.on_conflict_do_update(**_SAME, set_=values), rows)
