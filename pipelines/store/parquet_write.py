"""Write Parquet beside a source's files, aside first and renamed then, so readers see no half."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO
from uuid import uuid4

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec import AbstractFileSystem

from pipelines.errors import FeatureStoreError


def append_parquet(url: str, table: pa.Table) -> None:
    """Add rows to a folder as a new file, or to a single file by replacing it whole.

    Raises:
        FeatureStoreError: the file there has other columns.
    """
    filesystem, path = fsspec.core.url_to_fs(url)
    if not path.endswith(".parquet"):
        _write(filesystem, f"{path.rstrip('/')}/{uuid4().hex}.parquet", table)
        return
    if filesystem.exists(path):
        with filesystem.open(path, "rb") as file:
            before = pq.read_table(file)
        if before.column_names != table.column_names:
            raise FeatureStoreError(
                f"Rows for {url} have the columns {', '.join(table.column_names)}, "
                f"but the file has {', '.join(before.column_names)}."
            )
        table = pa.concat_tables([before, table.cast(before.schema)])
    _write(filesystem, path, table)


def replace_parquet(url: str, table: pa.Table, *, allow_overwrite: bool) -> None:
    """Write a file, or a folder of one file, in place of what is there.

    Raises:
        FileExistsError: something is there and `allow_overwrite` is false.
    """
    filesystem, path = fsspec.core.url_to_fs(url)
    is_file = path.endswith(".parquet")
    if filesystem.exists(path):
        if not allow_overwrite:
            raise FileExistsError(url)
        if not is_file:
            filesystem.rm(path, recursive=True)
    _write(filesystem, path if is_file else f"{path.rstrip('/')}/part.parquet", table)


def write_file(url: str, content: bytes) -> None:
    """Write a whole file."""
    filesystem, path = fsspec.core.url_to_fs(url)
    with _aside(filesystem, path) as file:
        file.write(content)


def _write(filesystem: AbstractFileSystem, path: str, table: pa.Table) -> None:
    with _aside(filesystem, path) as file:
        pq.write_table(table, file)


@contextmanager
def _aside(filesystem: AbstractFileSystem, path: str) -> Iterator[IO[bytes]]:
    """Open a hidden file beside `path` that takes its place when all went well."""
    folder, _, name = path.rpartition("/")
    filesystem.makedirs(folder, exist_ok=True)
    hidden = f"{folder}/.{name}.{uuid4().hex}.tmp"
    try:
        with filesystem.open(hidden, "wb") as file:
            yield file
        filesystem.mv(hidden, path)
    except BaseException:
        if filesystem.exists(hidden):
            filesystem.rm(hidden)
        raise
