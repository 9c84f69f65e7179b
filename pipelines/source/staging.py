"""Bring Parquet files into temporary tables with COPY, batch by batch in bounded memory."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import psycopg
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from psycopg import sql
from sqlalchemy import Column, Connection, MetaData, Table, text

from pipelines.errors import SourceError
from pipelines.source.database_errors import reason

_BATCH_ROWS: Final = 50_000

_CHUNK_BATCHES: Final = 5


def stage_chunks(connection: Connection, target: Table, file: Path) -> Iterator[tuple[Table, int]]:
    """Copy a Parquet file piece by piece into a temporary table and yield it, filled.

    The temporary table has the columns of `target` that the file has, holds one piece at a
    time (with its number of rows), and is gone at the end of the transaction.

    Raises:
        SourceError: the file cannot be read, has a column that `target` has not, or a value
            that its column does not take.
    """
    with open_parquet(file) as parquet:
        names = parquet.schema_arrow.names
        if unknown := [name for name in names if name not in target.columns]:
            raise SourceError(
                f"{file.name} has columns that the table {target.name} does not know: "
                f"{', '.join(unknown)}. It knows {', '.join(target.columns.keys())}."
            )
        staged = Table(
            f"staged_{target.name}",
            MetaData(schema="pg_temp"),
            *(Column(name, target.columns[name].type) for name in names),
        )
        staged.create(connection)
        batches = parquet.iter_batches(_BATCH_ROWS)
        while chunk := list(islice(batches, _CHUNK_BATCHES)):
            copy_rows(connection, staged, names, chunk)
            # Without statistics the planner takes a staged million for a handful.
            connection.execute(text(f"ANALYZE {staged.fullname}"))
            yield staged, sum(batch.num_rows for batch in chunk)
            connection.execute(text(f"TRUNCATE {staged.fullname}"))
        staged.drop(connection)


def open_parquet(file: Path) -> pq.ParquetFile:
    """Open a Parquet file.

    Raises:
        SourceError: it is not there or not Parquet.
    """
    try:
        return pq.ParquetFile(file)
    except (OSError, pa.ArrowInvalid) as err:
        raise SourceError(f"Cannot read the history file {file}: {err}") from err


def copy_rows(
    connection: Connection, table: Table, names: list[str], batches: Iterable[pa.RecordBatch]
) -> None:
    """Append record batches to the columns `names` of a table.

    Raises:
        SourceError: a value that its column does not take.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
        sql.Identifier(str(table.schema), table.name),
        sql.SQL(", ").join(map(sql.Identifier, names)),
    )
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 - for the type checker
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for batch in batches:
                copy.write(_as_csv(batch))
    except psycopg.DataError as err:
        raise SourceError(f"A value does not fit the table {table.name}: {reason(err)}") from err


def _as_csv(batch: pa.RecordBatch) -> pa.Buffer:
    """Write CSV as COPY reads it: text is quoted, so an unquoted nothing is null."""
    columns = [_as_array_text(c) if pa.types.is_list(c.type) else c for c in batch.columns]
    buffer = pa.BufferOutputStream()
    pacsv.write_csv(
        pa.record_batch(columns, names=batch.schema.names),
        buffer,
        pacsv.WriteOptions(include_header=False, quoting_style="needed"),
    )
    return buffer.getvalue()


def _as_array_text(column: pa.Array) -> pa.Array:
    """Write lists of text as PostgreSQL's array literals."""
    return pa.array([_array_literal(items) for items in column.to_pylist()], pa.string())


def _array_literal(items: list[Any] | None) -> str | None:
    if items is None:
        return None
    quoted = (str(item).replace("\\", "\\\\").replace('"', '\\"') for item in items)
    return "{" + ",".join(f'"{item}"' for item in quoted) + "}"
