"""Make the tables that the program of an interval reads: all that the lake knows of it."""

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
from duckdb import ColumnExpression, DuckDBPyConnection, DuckDBPyRelation

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
from pipelines.features.history import KEYS, SCHEMAS
from pipelines.features.program import BEFORE, BEGUN, HISTORY, OLDER, Reading
from pipelines.features.unsettled import read_unsettled
from pipelines.features.write import Dataset


def place_lake(
    lake: str,
    since: datetime,
    until: datetime,
    partition: PartitionUnit,
    connection: DuckDBPyConnection,
) -> None:
    """Place views of the history without its quarantine, and of what earlier builds made of it."""
    open_lake_to(connection, lake)
    for table in HistoryTable:
        kept, refused = (
            [
                partition_path(lake, f"{root}/{table.value}", start)
                for start in list_partitions(lake, f"{root}/{table.value}")
                if start < until
            ]
            for root in (HISTORY_FOLDER, QUARANTINE_FOLDER)
        )
        _place_history(table, kept, refused, connection)
    begun = partition_start(since, partition)
    for dataset in DATASETS:
        older = [start for start in list_partitions(lake, dataset.folder) if start < since]
        earlier = [partition_path(lake, dataset.folder, start) for start in older]
        here = earlier[older.index(begun) :] if begun in older else []
        _place_dataset(BEGUN, dataset, here, connection)
        if dataset in KEPT_FACTS:
            _place_dataset(OLDER, dataset, earlier, connection)


def place_unsettled(
    lake: str, since: datetime, reading: Reading, connection: DuckDBPyConnection
) -> None:
    """Place the workflows that were not settled by `since`: those kept, or look for them."""
    kept = read_unsettled(lake, since)
    if kept is None:
        connection.execute(reading.search)
    else:
        connection.from_arrow(kept).create(BEFORE)


def _place_history(
    table: HistoryTable,
    paths: Sequence[str],
    refused: Sequence[str],
    connection: DuckDBPyConnection,
) -> None:
    """Place the rows of some files, without those that are in quarantine, in their types."""
    name = f"{HISTORY}{table.value}"
    nothing = _nothing(SCHEMAS[table], connection)
    if not paths:
        nothing.create(name)
        return
    rows = connection.read_parquet(list(paths), hive_partitioning=False)
    if refused:
        # Only then: it reads the keys of all rows.
        other = connection.read_parquet(list(refused), hive_partitioning=False)
        rows = rows.join(other, ", ".join(KEYS[table]), how="anti")
    typed = zip(nothing.columns, nothing.types, strict=True)
    columns = (ColumnExpression(column).cast(dtype).alias(column) for column, dtype in typed)
    rows.select(*columns).create_view(name)


def _place_dataset(
    prefix: str, dataset: Dataset, paths: Sequence[str], connection: DuckDBPyConnection
) -> None:
    name = f"{prefix}{dataset.name}"
    if paths:
        connection.read_parquet(list(paths), hive_partitioning=False).create_view(name)
    else:
        _nothing(dataset.schema, connection).create(name)


def _nothing(schema: pa.Schema, connection: DuckDBPyConnection) -> DuckDBPyRelation:
    # Not `schema.empty_table`: it loads all of pandas, for a third of a second.
    return connection.from_arrow(pa.Table.from_batches([], schema))
