"""The point-in-time join as Feast's documentation defines it, row by row in plain Python."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple


class Row(NamedTuple):
    """A feature row as written: its key, when it was true, when it was known, its value."""

    key: tuple[Any, ...]
    event: datetime | None
    created: datetime | None
    value: Any


def value_seen(
    rows: list[Row], key: tuple[Any, ...], moment: datetime | None, ttl: timedelta, *, known: bool
) -> Any:
    """Return what an entity row sees of the feature rows; None where it sees nothing."""
    best: Row | None = None
    for row in rows:
        if moment is None or row.event is None or row.event > moment:
            continue
        if any(part is None for part in key) or row.key != key:
            continue
        if known and (row.created is None or row.created > moment):
            continue
        if best is None or _is_later(row, best):
            best = row
    if best is None or (ttl and best.event + ttl < moment):
        return None
    return best.value


def _is_later(row: Row, best: Row) -> bool:
    if row.event != best.event:
        return row.event > best.event
    if row.created is None or best.created is None:
        return best.created is None
    return row.created > best.created
