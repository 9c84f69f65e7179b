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
from pipelines.features.history import KEYS, SCHEMAS
from pipelines.features.program import BEFORE, BEGUN, HISTORY, OLDER, Program
from pipelines.features.unsettled import read_unsettled


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
        _place(f"{HISTORY}{table.value}", kept, SCHEMAS[table], connection, refused, KEYS[table])
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


def _place(  # noqa: PLR0917 - explicit parameters beat a bag
    name: str,
    paths: Sequence[str],
    schema: pa.Schema,
    connection: DuckDBPyConnection,
    refused: Sequence[str] = (),
    keys: Sequence[str] = (),
) -> None:
    """Place the rows of some files, without those of the files of refused ones by their keys."""
    # Not `schema.empty_table`: it loads all of pandas, for a third of a second.
    nothing = connection.from_arrow(pa.Table.from_batches([], schema))
    if not paths:
        nothing.create(name)
        return
    rows = connection.read_parquet(list(paths), hive_partitioning=False)
    if refused:
        # Only then: it reads the keys of all rows.
        other = connection.read_parquet(list(refused), hive_partitioning=False)
        rows = rows.join(other, ", ".join(keys), how="anti")
    typed = zip(nothing.columns, nothing.types, strict=True)
    columns = (ColumnExpression(column).cast(dtype).alias(column) for column, dtype in typed)
    rows.select(*columns).create_view(name)
