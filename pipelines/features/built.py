"""What the lake's features were built from: the ground on which an interval may be added.

The record is written last and removed before features are built from scratch, so that it never
speaks of anything half-done. An interval adds to features only where nothing has changed since:
not the older history or its quarantine, not the views' definition, not the older partitions.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version
from io import RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Final

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fsspec import AbstractFileSystem

from pipelines.contracts import HISTORY_FOLDER, QUARANTINE_FOLDER, HistoryTable
from pipelines.extract.lake import (
    PartitionUnit,
    list_partitions,
    partition_end,
    partition_path,
    partition_sizes,
    partition_start,
)
from pipelines.features.facts import CARRIED_FOLDER, FACTS_FOLDER, KEPT_FACTS
from pipelines.features.timing import scalar_of
from pipelines.features.views import VIEWS
from pipelines.features.write import dataset_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

_FILE: Final = f"{FACTS_FOLDER}/built.json"
_HASH_BYTES: Final = 16
_READERS: Final = 2
_ENGINES: Final = ("duckdb", "ibis-framework")
DATASETS: Final = (*(dataset_of(spec) for spec in VIEWS.values()), *KEPT_FACTS)


@dataclass(frozen=True)
class Built:
    """A moment, and digests of all that the features recorded before it were made from."""

    until: str
    partition: str
    definition: str
    history: dict[str, str]
    features: dict[str, int]


def read_built(lake: str) -> Built | None:
    """Return the record of the last build that ended well; None where there is none."""
    filesystem, path = fsspec.core.url_to_fs(f"{lake.rstrip('/')}/{_FILE}")
    try:
        return Built(**json.loads(filesystem.cat_file(path)))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def forget_built(lake: str) -> None:
    """Remove the record, and what was handed on: from here on features may be half-done."""
    for name in (_FILE, CARRIED_FOLDER):
        filesystem, path = fsspec.core.url_to_fs(f"{lake.rstrip('/')}/{name}")
        if filesystem.exists(path):
            filesystem.rm(path, recursive=True)


def remember_built(
    lake: str, until: datetime, partition: PartitionUnit, history: Mapping[str, str]
) -> None:
    """Record that features are whole up to `until`, made from a history of these digests."""
    sizes = feature_sizes(lake, until, partition)
    built = Built(until.isoformat(), partition, definition(), dict(history), sizes)
    replace_file(lake, _FILE, json.dumps(vars(built), indent=1).encode())


def replace_file(lake: str, name: str, content: bytes) -> None:
    """Write a file of the lake as a whole; a reader sees the old one or the new one."""
    filesystem, path = fsspec.core.url_to_fs(f"{lake.rstrip('/')}/{name}")
    filesystem.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
    filesystem.pipe_file(f"{path}.writing", content)
    filesystem.mv(f"{path}.writing", path)


@cache
def definition() -> str:
    """Return a digest of the views' code, their schemas and the engine's version."""
    digest = hashlib.blake2b(digest_size=_HASH_BYTES)
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.name.encode() + file.read_bytes())
    for dataset in DATASETS:
        digest.update(str((dataset.folder, dataset.schema, dataset.order)).encode())
    for name in _ENGINES:
        digest.update(f"{name} {version(name)}".encode())
    return digest.hexdigest()


def history_digests(
    lake: str, moments: Sequence[datetime], partition: PartitionUnit
) -> list[dict[str, str]]:
    """Return, for each moment, a digest of each history and quarantine partition's rows before it.

    Every partition is read once.
    """
    places = [
        (folder, start)
        for root in (HISTORY_FOLDER, QUARANTINE_FOLDER)
        for folder in (f"{root}/{table.value}" for table in HistoryTable)
        # The newest first: of one that has not ended rows are read, which takes the longest.
        for start in reversed(list_partitions(lake, folder))
    ]
    names = [f"{folder}/{start:%Y-%m-%d}" for folder, start in places]
    with ThreadPoolExecutor(_READERS) as pool:
        found = pool.map(
            lambda place: _digests(lake, place[0], place[1], moments, partition), places
        )
        by_name = dict(zip(names, found, strict=True))
    # A partition without a row recorded before a moment is as good as none.
    return [
        {name: digests[number] for name, digests in by_name.items() if digests[number]}
        for number in range(len(moments))
    ]


def feature_sizes(lake: str, until: datetime, partition: PartitionUnit) -> dict[str, int]:
    """Return the bytes of every partition that no later interval will touch."""
    last = partition_start(until, partition)
    sizes = {}
    for dataset in DATASETS:
        for start, size in partition_sizes(lake, dataset.folder).items():
            if start < last:
                sizes[f"{dataset.folder}/{start:%Y-%m-%d}"] = size
    return sizes


def _digests(
    lake: str, folder: str, start: datetime, moments: Sequence[datetime], partition: PartitionUnit
) -> list[str]:
    """Return a digest of a partition's rows before each moment, of its file where it ended."""
    filesystem, path = fsspec.core.url_to_fs(partition_path(lake, folder, start))
    end = partition_end(start, partition)
    whole, rows = "", None
    digests = []
    for moment in moments:
        if end <= moment:
            whole = whole or _file_digest(filesystem, path)
            digests.append(whole)
        elif start < moment:
            if rows is None:
                with filesystem.open(path, "rb") as file:
                    rows = pq.ParquetFile(file).read(use_threads=False)
            digests.append(_rows_digest(rows, moment))
        else:
            digests.append("")
    return digests


# Not BLAKE2: a history is large, and processors have instructions for this one.
def _file_digest(filesystem: AbstractFileSystem, path: str) -> str:
    digest = hashlib.sha256()
    with filesystem.open(path, "rb") as file:
        for block in _blocks(file):
            digest.update(block)
    return digest.hexdigest()


def _rows_digest(rows: pa.Table, until: datetime) -> str:
    rows = rows.filter(pc.less(rows["recorded_at"], scalar_of(until)))
    if not rows.num_rows:
        return ""
    sink = _Digesting()
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), rows.schema) as stream:
        stream.write_table(rows.combine_chunks())
    return sink.digest.hexdigest()


class _Digesting(RawIOBase):
    """A file of which only a digest is kept: a stream of all rows need not lie in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, content: "Buffer", /) -> int:
        self.digest.update(content)
        return memoryview(content).nbytes


def _blocks(file: object) -> Iterator[bytes]:
    while block := file.read(1 << 20):  # type: ignore[attr-defined]
        yield block
