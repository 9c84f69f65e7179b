"""Stream a query's rows out of PostgreSQL as Arrow batches, in bounded memory."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from psycopg import sql
from sqlalchemy import Connection, Engine, Select, text

_BLOCK_BYTES: Final = 8 << 20

# One extract at a time: two could replace each other's last partition with a shorter one.
_EXTRACT_LOCK: Final = 7_302_025_003

Buffer = bytes | bytearray | memoryview


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """Yield a connection that sees one moment of the database, alone among extracts."""
    with engine.connect() as guard:
        # On a connection of its own: waiting on the other one would age its snapshot.
        guard.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _EXTRACT_LOCK})
        with engine.connect().execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        ) as connection:
            connection.execute(text("SET LOCAL TimeZone = 'UTC'"))
            connection.execute(text("SET LOCAL DateStyle = 'ISO'"))
            yield connection


def stream_query(
    connection: Connection, statement: Select[Any], schema: pa.Schema
) -> Generator[pa.RecordBatch, None, None]:
    """Yield the rows of `statement` as batches of `schema`; timestamps are read as UTC.

    Of a connection that `snapshot` opened. Close the iterator before the connection: until then
    the server is still sending.
    """
    compiled = statement.compile(dialect=connection.dialect)
    copy_out = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(sql.SQL(str(compiled)))
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 - for the type checker
    with driver.cursor() as cursor, cursor.copy(copy_out, compiled.params) as copy:
        for block in _blocks(copy):
            yield from _parse(block, schema)


def _blocks(rows: Iterable[Buffer]) -> Iterator[bytes]:
    """Join rows into larger pieces; the server sends each row as one message."""
    waiting: list[Buffer] = []
    size = 0
    for row in rows:
        waiting.append(row)
        size += len(row)
        if size >= _BLOCK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def _parse(block: bytes, schema: pa.Schema) -> list[pa.RecordBatch]:
    table = pacsv.read_csv(
        pa.BufferReader(block),
        pacsv.ReadOptions(column_names=schema.names, block_size=len(block)),
        pacsv.ParseOptions(newlines_in_values=True),
        pacsv.ConvertOptions(
            column_types={field.name: field.type for field in schema},
            # COPY writes nothing for null, and "" for an empty text.
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    batches: list[pa.RecordBatch] = table.cast(schema).to_batches()
    return batches


class CutByTime:
    """Cut batches that are in the order of `column` at given times, one after the other."""

    def __init__(self, batches: Iterator[pa.RecordBatch], column: str) -> None:
        self._batches = batches
        self._column = column
        self._rest: pa.RecordBatch | None = None

    def before(self, end: datetime) -> Iterator[pa.RecordBatch]:
        """Yield what comes before `end` and has not been yielded yet, in non-empty batches."""
        while (batch := self._rest or next(self._batches, None)) is not None:
            moments = batch.column(self._column)
            count = pc.sum(pc.less(moments, pa.scalar(end, moments.type))).as_py()
            self._rest = batch.slice(count) if count < batch.num_rows else None
            if count:
                yield batch.slice(0, count)
            if self._rest is not None:
                return
