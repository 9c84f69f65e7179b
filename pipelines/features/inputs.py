"""Make the tables that the program of an interval reads: all that the lake knows of it."""

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
from duckdb import ColumnExpression, DuckDBPyConnection

from pipelines.contracts import HISTORY_FOLDER, QUARANTINE_FOLDER, HistoryTable
from pipelines.extract.lake import (
    PartitionUnit,
    list_partitions,
    open_lake_to,
    partition_path,
    partition_start,
)
from pipelines.features.built import DATASETS
from pipelines.features.facts import KEPT_FACTS
from pipelines.features.history import SCHEMAS
from pipelines.features.program import BEFORE, BEGUN, HISTORY, OLDER, REFUSED, Program
from pipelines.features.unsettled import read_unsettled


def place_lake(
    lake: str,
    since: datetime,
    until: datetime,
    partition: PartitionUnit,
    connection: DuckDBPyConnection,
) -> None:
    """Place views of the history before `until` and of what earlier builds made of it."""
    open_lake_to(connection, lake)
    for table in HistoryTable:
        for prefix, root in ((HISTORY, HISTORY_FOLDER), (REFUSED, QUARANTINE_FOLDER)):
            folder = f"{root}/{table.value}"
            starts = [start for start in list_partitions(lake, folder) if start < until]
            paths = [partition_path(lake, folder, start) for start in starts]
            _place(f"{prefix}{table.value}", paths, SCHEMAS[table], connection)
    begun = partition_start(since, partition)
    for dataset in DATASETS:
        older = [start for start in list_partitions(lake, dataset.folder) if start < since]
        earlier = [partition_path(lake, dataset.folder, start) for start in older]
        here = earlier[older.index(begun) :] if begun in older else []
        _place(f"{BEGUN}{dataset.name}", here, dataset.schema, connection)
        if dataset in KEPT_FACTS:
            _place(f"{OLDER}{dataset.name}", earlier, dataset.schema, connection)


def place_unsettled(
    lake: str, since: datetime, program: Program, connection: DuckDBPyConnection
) -> None:
    """Place the workflows that were not settled by `since`: those kept, or look for them."""
    kept = read_unsettled(lake, since)
    if kept is None:
        connection.execute(program.search)
    else:
        connection.from_arrow(kept).create(BEFORE)


def _place(
    name: str, paths: Sequence[str], schema: pa.Schema, connection: DuckDBPyConnection
) -> None:
    # Not `schema.empty_table`: it loads all of pandas, for a third of a second.
    nothing = connection.from_arrow(pa.Table.from_batches([], schema))
    if not paths:
        nothing.create(name)
        return
    rows = connection.read_parquet(list(paths), hive_partitioning=False)
    typed = zip(nothing.columns, nothing.types, strict=True)
    columns = (ColumnExpression(column).cast(dtype).alias(column) for column, dtype in typed)
    rows.select(*columns).create_view(name)
