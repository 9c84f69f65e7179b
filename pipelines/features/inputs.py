"""Make the tables that the program of an interval reads: all that the lake knows of it."""

from dataclasses import replace
from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir
from duckdb import DuckDBPyConnection
from ibis.backends.duckdb import Backend

from pipelines.contracts import HistoryTable
from pipelines.extract.lake import PartitionUnit, list_partitions, partition_path, partition_start
from pipelines.features.built import DATASETS
from pipelines.features.facts import KEPT_FACTS
from pipelines.features.history import History, read_tables
from pipelines.features.interval import (
    day_of,
    recent_events,
    restricted,
    touched_workflows,
    unsettled_workflows,
)
from pipelines.features.program import BEGUN, OLDER, PART, RECENT, TOUCHED
from pipelines.features.scratch import creation
from pipelines.features.timing import EPOCH, microseconds
from pipelines.features.unsettled import read_unsettled
from pipelines.features.write import Dataset


def place_history(lake: str, since: datetime, until: datetime, connection: Backend) -> History:
    """Place what was recorded before `until`; return the part of workflows with open work."""
    first_day = day_of(since)
    history = read_tables(lake, until, connection)
    touched = _place(TOUCHED, touched_workflows(history, since), connection)
    kept = read_unsettled(lake, since)
    if kept is None:
        unsettled = unsettled_workflows(history, first_day)
    else:
        connection.con.from_arrow(kept).create("unsettled_before")
        unsettled = connection.table("unsettled_before")
    chosen = _place("chosen", unsettled.union(touched).distinct(), connection)
    part = restricted(_from_first(history, chosen, connection), chosen)
    tables = (part.task_events, part.workflows, part.workflow_closures)
    recent = recent_events(history.task_events, first_day)
    for name, table in (
        (HistoryTable.TASK_EVENTS, recent),
        (HistoryTable.WORKFLOWS, history.workflows),
    ):
        connection.con.sql(connection.compile(table)).create_view(f"{RECENT}{name.value}")
    return History(
        *(
            _place(f"{PART}{name.value}", table, connection)
            for name, table in zip(HistoryTable, tables, strict=True)
        )
    )


def place_older(
    lake: str, since: datetime, partition: PartitionUnit, connection: DuckDBPyConnection
) -> None:
    """Place the facts of earlier builds, and the partitions in which the interval begins."""
    begun = partition_start(since, partition)
    for dataset in DATASETS:
        older = [start for start in list_partitions(lake, dataset.folder) if start < since]
        _place_partitions(BEGUN, lake, dataset, [s for s in older if s == begun], connection)
        if dataset in KEPT_FACTS:
            _place_partitions(OLDER, lake, dataset, older, connection)


def _from_first(history: History, workflows: ir.Table, connection: Backend) -> History:
    """Leave out the events before the first one of some workflows, and so the files they lie in."""
    events = history.task_events
    first_us = microseconds(events.semi_join(workflows, "workflow_id").recorded_at.min())
    ((count,),) = connection.con.execute(connection.compile(first_us)).fetchall()
    if count is None:
        return history
    first_at = EPOCH + timedelta(microseconds=count)
    return replace(history, task_events=events.filter(events.recorded_at >= first_at))


def _place(name: str, table: ir.Table, connection: Backend) -> ir.Table:
    """Compute an expression now and keep its rows under this very name."""
    connection.con.execute(creation(name, connection.compile(table)))
    return ibis.table(table.schema(), name=name)


def _place_partitions(
    prefix: str,
    lake: str,
    dataset: Dataset,
    starts: list[datetime],
    connection: DuckDBPyConnection,
) -> None:
    name = f"{prefix}{dataset.name}"
    if starts:
        paths = [partition_path(lake, dataset.folder, start) for start in starts]
        connection.read_parquet(paths, hive_partitioning=False).create_view(name)
    else:
        connection.from_arrow(dataset.schema.empty_table()).create(name)
