"""The history in the lake as Ibis tables, cut at a moment of recording."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend
from ibis.util import gen_name

from pipelines.contracts import HISTORY_FOLDER, QUARANTINE_FOLDER, HistoryTable
from pipelines.errors import FeatureBuildError
from pipelines.extract.lake import list_partitions, open_lake_to, partition_path
from pipelines.history.schema import TASK_EVENTS, TIMESTAMP

_CLOSURES: Final = pa.schema(
    [
        pa.field("workflow_id", pa.string(), nullable=False),
        pa.field("closed_at", TIMESTAMP, nullable=False),
        pa.field("outcome", pa.string()),
        pa.field("outcome_is_late", pa.bool_()),
        pa.field("recorded_at", TIMESTAMP, nullable=False),
    ]
)
_WORKFLOWS: Final = pa.schema(
    [
        pa.field("workflow_id", pa.string(), nullable=False),
        pa.field("template_id", pa.string()),
        pa.field("client_id", pa.string()),
        pa.field("priority", pa.string()),
        pa.field("opened_at", TIMESTAMP, nullable=False),
        pa.field("due_at", TIMESTAMP),
        pa.field("attributes", pa.string(), nullable=False),
        pa.field("recorded_at", TIMESTAMP, nullable=False),
    ]
)
SCHEMAS: Final = {
    HistoryTable.TASK_EVENTS: TASK_EVENTS,
    HistoryTable.WORKFLOWS: _WORKFLOWS,
    HistoryTable.WORKFLOW_CLOSURES: _CLOSURES,
}
# What tells a table's rows apart.
KEYS: Final = {
    HistoryTable.TASK_EVENTS: ("event_id",),
    HistoryTable.WORKFLOWS: ("workflow_id",),
    HistoryTable.WORKFLOW_CLOSURES: ("workflow_id", "recorded_at"),
}


@dataclass(frozen=True)
class History:
    """What had been recorded by some moment.

    `attribute_keys` are the keys that occur in the events' attributes, `activities` the
    activities of the events, both sorted.
    """

    task_events: ir.Table
    workflows: ir.Table
    workflow_closures: ir.Table
    attribute_keys: tuple[str, ...] = ()
    activities: tuple[str, ...] = ()

    @property
    def tables(self) -> tuple[ir.Table, ir.Table, ir.Table]:
        """The three tables, in the order of `HistoryTable`."""
        return self.task_events, self.workflows, self.workflow_closures

    def each(self, change: Callable[[ir.Table], ir.Table]) -> "History":
        """Return the history with every table changed, without names."""
        return History(*map(change, self.tables))


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def json_keys(document: dt.json) -> dt.Array[dt.string]:
    """Return the keys of a JSON object (DuckDB's own function)."""


def read_history(lake: str, until: datetime | None, connection: Backend | None = None) -> History:
    """Read the lake's history, or what of it was recorded before `until`, with its names.

    Args:
        lake: local path or fsspec URL.
        until: with a time zone; None means everything.
        connection: DuckDB to read with; a new one in memory where none is given.

    Raises:
        FeatureBuildError: `until` has no time zone.
    """
    connection = connection or ibis.duckdb.connect()
    return with_names(read_tables(lake, until, connection), connection)


def read_tables(lake: str, until: datetime | None, connection: Backend) -> History:
    """Read the lake's history, or what of it was recorded before `until`, without its names.

    Raises:
        FeatureBuildError: `until` has no time zone.
    """
    if until is not None and until.tzinfo is None:
        raise FeatureBuildError(f"until has no time zone: {until}. Pass a UTC time.")
    open_lake_to(connection.con, lake)
    return History(*(known_rows(lake, name, until, connection) for name in HistoryTable))


def with_names(history: History, connection: Backend) -> History:
    """Find the attribute keys and activities that occur in a history."""
    events = history.task_events
    return replace(
        history,
        attribute_keys=_texts(attribute_names(events), connection),
        activities=_texts(activity_names(events), connection),
    )


def activity_names(events: ir.Table) -> ir.Table:
    """Return every activity of some events once."""
    return events.filter(events.activity.notnull()).select("activity").distinct()


def attribute_names(events: ir.Table) -> ir.Table:
    """Return every key that occurs in the attributes of some events once."""
    documents = events.filter(events.attributes != "{}").select("attributes").distinct()
    return documents.select(key=json_keys(documents.attributes.cast("json")).unnest()).distinct()


def known_rows(
    lake: str, table: HistoryTable, until: datetime | None, connection: Backend
) -> ir.Table:
    """Return a table's rows recorded before `until`, without those in quarantine."""
    folder = f"{HISTORY_FOLDER}/{table.value}"
    # Types without "not null": what DuckDB reads may always be null, and Ibis unites only
    # equal types.
    types = ibis.schema({field.name: field.type for field in SCHEMAS[table]})
    rows = _partitions(lake, folder, until, connection)
    if rows is None:
        name = gen_name(table)
        connection.con.from_arrow(SCHEMAS[table].empty_table()).create(name)
        rows = connection.table(name)
    refused = _partitions(lake, f"{QUARANTINE_FOLDER}/{table.value}", until, connection)
    if refused is not None:
        rows = rows.anti_join(refused, list(KEYS[table]))
    rows = rows.select(**{name: rows[name].cast(dtype) for name, dtype in types.items()})
    return rows if until is None else rows.filter(rows.recorded_at < until)


def read_parquet(paths: list[str], connection: Backend) -> ir.Table:
    """Return the rows of Parquet files as a table."""
    # Not Ibis's read_parquet: it downloads an extension for object stores, which fsspec reads.
    name = gen_name("partitions")
    connection.con.read_parquet(paths, hive_partitioning=False).create_view(name)
    return connection.table(name)


def _texts(column: ir.Table, connection: Backend) -> tuple[str, ...]:
    # Not Ibis's to_pyarrow: it loads all of pandas, for a third of a second.
    rows = connection.con.execute(connection.compile(column)).fetchall()
    return tuple(sorted(text for (text,) in rows))


def _partitions(
    lake: str, folder: str, until: datetime | None, connection: Backend
) -> ir.Table | None:
    starts = [s for s in list_partitions(lake, folder) if until is None or s < until]
    if not starts:
        return None
    return read_parquet([partition_path(lake, folder, start) for start in starts], connection)
