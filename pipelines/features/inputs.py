"""Make the tables that the program of an interval reads: all that the lake knows of it."""

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
import sqlglot.expressions as sge
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from pipelines.contracts import HISTORY_FOLDER, QUARANTINE_FOLDER, HistoryTable
from pipelines.extract.lake import (
    list_partitions,
    open_lake_to,
    partition_path,
)
from pipelines.features.carried import find_carried
from pipelines.features.facts import KEPT_FACTS
from pipelines.features.history import KEYS, SCHEMAS
from pipelines.features.program import BEFORE, HISTORY, OLDER, Reading


def place_lake(
    lake: str,
    since: datetime,
    until: datetime,
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
    for dataset in KEPT_FACTS:
        earlier = [
            partition_path(lake, dataset.folder, start)
            for start in list_partitions(lake, dataset.folder)
            if start < since
        ]
        name = f"{OLDER}{dataset.name}"
        if earlier:
            _place_view(name, f"FROM {_parquet(earlier)}", connection)
        else:
            _nothing(dataset.schema, connection).create(name)


def place_carried(
    lake: str, since: datetime, reading: Reading, connection: DuckDBPyConnection
) -> None:
    """Place what the interval before handed on as of `since`, or look for it."""
    for name, search in reading.search.items():
        kept = find_carried(lake, name, since)
        if kept is None:
            connection.execute(search)
        else:
            _place_view(f"{BEFORE}{name}", f"FROM {_parquet([kept])}", connection)


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
    source = f"{_parquet(paths)} AS known"
    if refused:
        # Only then: it reads the keys of all rows.
        same = (f"known.{key} = refused.{key}" for key in map(_quoted, KEYS[table]))
        source += f" ANTI JOIN {_parquet(refused)} AS refused ON {' AND '.join(same)}"
    typed = zip(nothing.columns, nothing.types, strict=True)
    columns = (
        f"CAST({_quoted(column)} AS {dtype}) AS {_quoted(column)}" for column, dtype in typed
    )
    _place_view(name, f"FROM {source} SELECT {', '.join(columns)}", connection)


def _place_view(name: str, query: str, connection: DuckDBPyConnection) -> None:
    # As text: relations are bound at every step, which takes three times as long.
    connection.execute(f"CREATE VIEW {_quoted(name)} AS {query}")


def _parquet(paths: Sequence[str]) -> str:
    files = ", ".join(sge.Literal.string(path).sql("duckdb") for path in paths)
    return f"read_parquet([{files}], hive_partitioning = false)"


def _quoted(name: str) -> str:
    return sge.to_identifier(name, quoted=True).sql("duckdb")


def _nothing(schema: pa.Schema, connection: DuckDBPyConnection) -> DuckDBPyRelation:
    # Not `schema.empty_table`: it loads all of pandas, for a third of a second.
    return connection.from_arrow(pa.Table.from_batches([], schema))
