"""Read Parquet of the lake with DuckDB: a file, a folder or an object-store URL."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import fsspec

from pipelines.extract.lake import open_lake_to


@contextmanager
def duckdb_session(
    threads: int | None = None, memory_limit: str | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB of its own for one call, so that calls in several threads never meet.

    Times leave it as UTC whatever the machine's time zone is.
    """
    connection = duckdb.connect()
    try:
        connection.execute("SET TimeZone = 'UTC'")
        if threads is not None:
            connection.execute("SET threads = ?", [threads])
        if memory_limit is not None:
            connection.execute("SET memory_limit = ?", [memory_limit])
        yield connection
    finally:
        connection.close()


def scan_parquet(connection: duckdb.DuckDBPyConnection, url: str) -> duckdb.DuckDBPyRelation | None:
    """Return the rows below `url`: a Parquet file, or a folder (or glob) read in depth.

    Folder names like `interval=2024-01-01` are names, not columns. Object stores are read
    through fsspec. None where there is no Parquet file: a partition without rows has none.
    """
    filesystem, path = fsspec.core.url_to_fs(url)
    if "*" in path:
        files = filesystem.glob(path)
    elif filesystem.isfile(path):
        files = [path]
    else:
        files = filesystem.glob(f"{path.rstrip('/')}/**/*.parquet")
    if not files:
        return None
    if "://" in url:
        open_lake_to(connection, url)
        files = [filesystem.unstrip_protocol(file) for file in files]
    return connection.read_parquet(sorted(files), hive_partitioning=False)
