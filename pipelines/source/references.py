"""Check references for many rows at once, where the database would look up each one alone.

A foreign key costs a look-up a row; for millions of events that is most of a load. Where
the user may (a superuser, or one granted SET on `session_replication_role`), a load lays the
row-by-row checks aside for its own transaction and makes the same ones set by set; elsewhere
the database makes them, and the load takes about three times as long.
"""

from typing import Final

from sqlalchemy import Connection, Table, and_, select, text
from sqlalchemy.exc import ProgrammingError

from pipelines.errors import SourceError

# Held by a load alone, and shared by whoever deletes rows that a load may refer to.
LOAD_LOCK: Final = 7_302_025_002


def check_in_sets(connection: Connection) -> None:
    """Lay the row-by-row checks aside until `check_by_row` or the end of the transaction."""
    try:
        with connection.begin_nested():
            connection.execute(text("SET LOCAL session_replication_role = replica"))
    except ProgrammingError:  # not permitted: the database keeps checking
        return


def check_by_row(connection: Connection) -> None:
    """Let the database check every row again."""
    if connection.scalar(text("SHOW session_replication_role")) == "replica":
        connection.execute(text("SET LOCAL session_replication_role = origin"))


def require_all(connection: Connection, staged: Table, target: Table, names: list[str]) -> None:
    """Refuse staged rows whose columns `names` together name no row of `target`.

    Raises:
        SourceError: naming the first such row.
    """
    matches = and_(*(staged.c[name] == target.c[name] for name in names))
    missing = connection.execute(
        select(*(staged.c[name] for name in names))
        .where(~select(target).where(matches).exists())
        .limit(1)
    ).first()
    if missing is not None:
        named = ", ".join(f"{name} {value!r}" for name, value in zip(names, missing, strict=True))
        raise SourceError(
            f"A row of {staged.name.removeprefix('staged_')} refers to {named}, which is not in "
            f"{target.name}: load both together."
        )
