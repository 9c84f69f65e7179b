"""The workflows that still count as open work: kept, so that no update looks for them in all."""

from datetime import datetime
from typing import Final

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.features.built import replace_file
from pipelines.features.facts import FACTS_FOLDER

_FILE: Final = f"{FACTS_FOLDER}/unsettled.parquet"
_UNTIL: Final = b"until"


def read_unsettled(lake: str, until: datetime) -> pa.Table | None:
    """Return the workflow_id of each as of `until`; None where another moment's are kept."""
    filesystem, path = fsspec.core.url_to_fs(f"{lake.rstrip('/')}/{_FILE}")
    try:
        with filesystem.open(path, "rb") as file:
            kept = pq.ParquetFile(file).read()
    except (FileNotFoundError, pa.ArrowInvalid):
        return None
    return kept if (kept.schema.metadata or {}).get(_UNTIL) == _text(until) else None


def write_unsettled(lake: str, until: datetime, workflows: pa.Table) -> None:
    """Keep the workflows of `interval.unsettled_workflows` on the day of `until`."""
    ids = workflows.select(["workflow_id"]).sort_by("workflow_id").combine_chunks()
    sink = pa.BufferOutputStream()
    pq.write_table(ids.replace_schema_metadata({_UNTIL: _text(until)}), sink)
    replace_file(lake, _FILE, sink.getvalue().to_pybytes())


def _text(until: datetime) -> bytes:
    return until.isoformat().encode()
