"""The Parquet lake: where a partition lies, and how it is replaced as a whole.

A table is named by its folder below the lake, such as `history/task_events`; a partition by
the start of its interval. Its one file is `<lake>/<table>/interval=YYYY-MM-DD/part.parquet`.
A table that is always replaced as a whole, such as `present/people`, is the file
`<lake>/<table>.parquet`.
Everything works on a local folder and on any object store fsspec knows.

Readers of many partitions take the pattern `interval=*/part.parquet`: half-written files
have other names. The folder's name looks like a Hive partition, so tell DuckDB
`hive_partitioning=false` (or leave out the column `interval`).
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from uuid import uuid4

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fsspec import AbstractFileSystem

from pipelines.errors import ExtractError
from pipelines.extract.intervals import (
    Interval,
    PartitionUnit,
    partition_end,
    partition_start,
    partitions,
)
from pipelines.extract.parquet import FixedGroupsWriter

__all__ = [
    "Interval",
    "PartitionUnit",
    "last_moment",
    "list_partitions",
    "partition_end",
    "partition_path",
    "partition_sizes",
    "partition_start",
    "partitions",
    "read_partition",
    "read_whole",
    "remove_partition",
    "replace_partition",
    "writing_partition",
    "writing_whole",
]

_PREFIX = "interval="
_FILE = "part.parquet"


def partition_path(lake: str, table: str, start: datetime) -> str:
    """Return the address of the file of the partition that starts at `start`."""
    return f"{lake.rstrip('/')}/{table}/{_PREFIX}{start:%Y-%m-%d}/{_FILE}"


def list_partitions(lake: str, table: str) -> list[datetime]:
    """Return the starts (UTC) of the partitions that are there, in order."""
    return list(partition_sizes(lake, table))


def partition_sizes(lake: str, table: str) -> dict[datetime, int]:
    """Return the bytes of the partitions that are there by their starts (UTC), in order."""
    fs, root = _open(lake)
    # One listing on any store; a pattern would look at each folder.
    found = fs.find(f"{root}/{table}", maxdepth=2, detail=True)
    sizes = {}
    for path, entry in sorted(found.items()):
        *_, folder, file = str(path).rsplit("/", 2)
        if file == _FILE and folder.startswith(_PREFIX):
            start = datetime.fromisoformat(folder.removeprefix(_PREFIX)).replace(tzinfo=UTC)
            sizes[start] = int(entry["size"])
    return sizes


def read_partition(lake: str, table: str, start: datetime) -> pa.Table:
    """Read a whole partition.

    Raises:
        ExtractError: there is no such partition, or its file is damaged.
    """
    return _read(lake, partition_path(lake, table, start))


def read_whole(lake: str, table: str) -> pa.Table:
    """Read a table that is one file, with its schema's metadata.

    Raises:
        ExtractError: it is not there, or its file is damaged.
    """
    return _read(lake, _whole_path(lake, table))


def _read(lake: str, path: str) -> pa.Table:
    fs, _ = _open(lake)
    try:
        with fs.open(path, "rb") as file:
            return pq.ParquetFile(file).read()
    except FileNotFoundError:
        raise ExtractError(f"Nothing at {path}: extract it first.") from None
    except pa.ArrowInvalid as err:
        raise ExtractError(f"The file at {path} is damaged ({err}): extract it again.") from err
    except OSError as err:
        raise ExtractError(f"The file at {path} cannot be read ({err}).") from err


def replace_partition(lake: str, table: str, start: datetime, rows: pa.Table) -> None:
    """Write a partition as a whole; a reader sees the old file or the new one.

    The same rows in the same order give the same bytes. Without rows the partition is
    removed.
    """
    if rows.num_rows == 0:
        remove_partition(lake, table, start)
        return
    with writing_partition(lake, table, start, rows.schema) as writer:
        writer.write(rows)


def remove_partition(lake: str, table: str, start: datetime) -> None:
    """Remove a partition where it is there."""
    fs, _ = _open(lake)
    path = partition_path(lake, table, start)
    with suppress(FileNotFoundError):
        fs.rm_file(path)
        if _is_local(fs):
            with suppress(OSError):  # another process is writing beside it
                fs.rmdir(path.rsplit("/", 1)[0])


def last_moment(lake: str, table: str, start: datetime, column: str) -> datetime | None:
    """Return the latest time in a column of a partition; None where there is no whole one."""
    fs, _ = _open(lake)
    try:
        with fs.open(partition_path(lake, table, start), "rb") as file:
            moments = pq.ParquetFile(file).read([column])[column]
    except (FileNotFoundError, pa.ArrowInvalid):
        return None
    latest: datetime | None = pc.max(moments).as_py()
    return latest


@contextmanager
def writing_partition(
    lake: str, table: str, start: datetime, schema: pa.Schema
) -> Iterator[FixedGroupsWriter]:
    """Open a partition for writing in pieces; it takes its place when the block ends well.

    Until then the old file stays as it is, and after an exception nothing of the new one
    remains. What a killed process leaves behind is called `part.parquet.writing-…` and is
    read by nobody.
    """
    with _writing(lake, partition_path(lake, table, start), schema) as writer:
        yield writer


@contextmanager
def writing_whole(lake: str, table: str, schema: pa.Schema) -> Iterator[FixedGroupsWriter]:
    """Open a table that is one file for writing, as `writing_partition` does a partition."""
    with _writing(lake, _whole_path(lake, table), schema) as writer:
        yield writer


@contextmanager
def _writing(lake: str, path: str, schema: pa.Schema) -> Iterator[FixedGroupsWriter]:
    fs, _ = _open(lake)
    aside = f"{path}.writing-{uuid4().hex}"
    fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
    try:
        with fs.open(aside, "wb") as file, FixedGroupsWriter(file, schema) as writer:
            yield writer
        fs.mv(aside, path)
    except BaseException:
        with suppress(FileNotFoundError):
            fs.rm_file(aside)
        raise


def _whole_path(lake: str, table: str) -> str:
    return f"{lake.rstrip('/')}/{table}.parquet"


def _open(lake: str) -> tuple[AbstractFileSystem, str]:
    fs, root = fsspec.core.url_to_fs(lake)
    return fs, str(root).rstrip("/")


def _is_local(fs: AbstractFileSystem) -> bool:
    return "file" in (fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,))


def open_lake_to(connection: duckdb.DuckDBPyConnection, lake: str) -> None:
    """Let a DuckDB connection read a lake in an object store through fsspec; safe to repeat."""
    filesystem, _ = fsspec.core.url_to_fs(lake)
    names = filesystem.protocol
    known = {names} if isinstance(names, str) else set(names)
    if "://" in lake and known.isdisjoint(connection.list_filesystems()):
        connection.register_filesystem(filesystem)
