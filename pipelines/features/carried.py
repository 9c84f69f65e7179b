"""Keep what an interval hands on to the next one: see `carry`."""

from datetime import datetime
from typing import Final

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.features.built import replace_file
from pipelines.features.facts import CARRIED_FOLDER

_UNTIL: Final = b"until"


def find_carried(lake: str, name: str, until: datetime) -> str | None:
    """Return where the rows of a name lie; None where none as of `until` are kept."""
    url = f"{lake.rstrip('/')}/{_file(name)}"
    filesystem, path = fsspec.core.url_to_fs(url)
    try:
        with filesystem.open(path, "rb") as file:
            metadata = pq.read_metadata(file).metadata or {}
    except (FileNotFoundError, pa.ArrowInvalid):
        return None
    return url if metadata.get(_UNTIL) == _text(until) else None


def write_carried(lake: str, name: str, until: datetime, rows: pa.Table) -> None:
    """Keep rows under a name as of `until`, in place of those of any other moment."""
    sink = pa.BufferOutputStream()
    # No longer than a day: small would take longer than short.
    pq.write_table(rows.replace_schema_metadata({_UNTIL: _text(until)}), sink, compression="lz4")
    replace_file(lake, _file(name), sink.getvalue().to_pybytes())


def _file(name: str) -> str:
    return f"{CARRIED_FOLDER}/{name}.parquet"


def _text(until: datetime) -> bytes:
    return until.isoformat().encode()
