"""What the lake's features were built from: the ground on which an interval may be added.

The record is written last and removed before features are built from scratch, so that it never
speaks of anything half-done. An interval adds to features only where nothing has changed since:
not the older history or its quarantine, not the views' definition, not the older partitions.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from struct import pack
from typing import Final

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.contracts import HISTORY_FOLDER, QUARANTINE_FOLDER, HistoryTable
from pipelines.extract.lake import (
    PartitionUnit,
    list_partitions,
    partition_end,
    partition_path,
    partition_start,
)
from pipelines.features.facts import FACTS_FOLDER, KEPT_FACTS
from pipelines.features.timing import EPOCH
from pipelines.features.views import VIEWS
from pipelines.features.write import dataset_of
from pipelines.history.schema import TIMESTAMP

_FILE: Final = f"{FACTS_FOLDER}/built.json"
_HASH_BYTES: Final = 16
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
    """Remove the record: from here on features may be half-done."""
    filesystem, path = fsspec.core.url_to_fs(f"{lake.rstrip('/')}/{_FILE}")
    if filesystem.exists(path):
        filesystem.rm_file(path)


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
    lake: str, until: datetime, partition: PartitionUnit, earlier: Built | None = None
) -> dict[str, str]:
    """Return a digest of each history and quarantine partition's rows recorded before `until`.

    Partitions that had ended at an earlier build, whose digests still hold, are not read again.
    """
    known: Mapping[str, str] = {} if earlier is None else earlier.history
    ended = EPOCH if earlier is None else datetime.fromisoformat(earlier.until)
    digests = {}
    for root in (HISTORY_FOLDER, QUARANTINE_FOLDER):
        for table in HistoryTable:
            folder = f"{root}/{table.value}"
            for start in list_partitions(lake, folder):
                name = f"{folder}/{start:%Y-%m-%d}"
                if name in known and partition_end(start, partition) <= ended:
                    digests[name] = known[name]
                elif start < until:
                    digests[name] = _digest(lake, folder, start, until, partition)
    # A partition without a row recorded before `until` is as good as none.
    return {name: digest for name, digest in digests.items() if digest}


def feature_sizes(lake: str, until: datetime, partition: PartitionUnit) -> dict[str, int]:
    """Return the bytes of every partition that no later interval will touch."""
    last = partition_start(until, partition)
    sizes = {}
    for dataset in DATASETS:
        for start in list_partitions(lake, dataset.folder):
            if start < last:
                path = partition_path(lake, dataset.folder, start)
                filesystem, inside = fsspec.core.url_to_fs(path)
                sizes[f"{dataset.folder}/{start:%Y-%m-%d}"] = int(filesystem.size(inside))
    return sizes


def _digest(
    lake: str, folder: str, start: datetime, until: datetime, partition: PartitionUnit
) -> str:
    path = partition_path(lake, folder, start)
    filesystem, inside = fsspec.core.url_to_fs(path)
    digest = hashlib.blake2b(digest_size=_HASH_BYTES)
    if partition_end(start, partition) <= until:
        with filesystem.open(inside, "rb") as file:
            for block in _blocks(file):
                digest.update(block)
        return digest.hexdigest()
    with filesystem.open(inside, "rb") as file:
        rows = pq.ParquetFile(file).read()
    rows = rows.filter(pc.less(rows["recorded_at"], _scalar(until)))
    if not rows.num_rows:
        return ""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows.combine_chunks())
    digest.update(sink.getvalue())
    return digest.hexdigest()


def _scalar(moment: datetime) -> pa.Scalar:
    # Not `pa.scalar`: it loads all of pandas, for a third of a second.
    count = (moment - EPOCH) // timedelta(microseconds=1)
    return pa.Array.from_buffers(TIMESTAMP, 1, [None, pa.py_buffer(pack("=q", count))])[0]


def _blocks(file: object) -> Iterator[bytes]:
    while block := file.read(1 << 20):  # type: ignore[attr-defined]
        yield block
