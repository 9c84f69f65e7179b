"""A DuckDB for one build: tables it keeps lie in memory and, where that ends, in a folder."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir
import sqlglot.expressions as sge
from ibis.backends.duckdb import Backend
from ibis.util import gen_name


@dataclass(frozen=True)
class Scratch:
    """A connection and the tables kept with it, and a folder that ends with it."""

    connection: Backend
    folder: str
    _names: list[str] = field(default_factory=list)

    def keep(self, name: str, table: ir.Table) -> ir.Table:
        """Compute an expression now and return the table that holds its rows."""
        unique = gen_name(name)
        # Not Ibis's create_table: it compiles, copies and asks more than once.
        self.connection.con.execute(creation(unique, self.connection.compile(table)))
        self._names.append(unique)
        return self.connection.table(unique)

    def lay_aside(self, name: str, table: ir.Table) -> ir.Table:
        """Compute an expression now into a file; return the table that reads it.

        For many wide rows: of a kept table what does not fit into memory is written and read
        again and again.
        """
        path = Path(self.folder) / f"{gen_name(name)}.parquet"
        query = self.connection.compile(table)
        target = sge.Literal.string(str(path)).sql("duckdb")
        self.connection.con.execute(
            f"COPY ({query}) TO {target} (FORMAT parquet, COMPRESSION lz4_raw)"
        )
        return self.connection.read_parquet(str(path))

    @contextmanager
    def passing(self) -> Iterator["Scratch"]:
        """Drop at the end of the block what was kept with the scratch it gives."""
        inner = Scratch(self.connection, self.folder)
        yield inner
        # Not after an error: then all of it goes with the connection.
        for name in inner._names:
            # Not Ibis's drop_table: it writes no name with this sqlglot.
            table = sge.table_(name, quoted=True)
            self.connection.raw_sql(sge.Drop(kind="TABLE", tables=[table]))


def creation(name: str, query: str) -> str:
    """Return the statement that keeps the rows of a query as a table."""
    # Not a relation's `create`: it plans the query twice, which may take longer than running it.
    head = sge.Create(kind="TABLE", this=sge.table_(name, quoted=True)).sql("duckdb")
    return f"{head} AS {query}"


@contextmanager
def open_engine(memory_limit: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB that uses so much memory, such as "2GB", and then temporary files."""
    with (
        _folder() as folder,
        duckdb.connect(
            config={
                "memory_limit": memory_limit,
                "temp_directory": folder,
                "preserve_insertion_order": False,
            }
        ) as connection,
    ):
        # Global: cursors are connections of their own and would take the machine's zone.
        connection.execute("SET GLOBAL timezone = 'UTC'")
        yield connection


@contextmanager
def open_scratch(memory_limit: str) -> Iterator[Scratch]:
    """Open a DuckDB as `open_engine` does, with Ibis to use it."""
    with _folder() as folder, open_engine(memory_limit) as connection:
        yield Scratch(ibis.duckdb.from_connection(connection), folder)


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="workcast-features-")
