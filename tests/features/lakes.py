"""Histories in a lake, and what was built from them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts import FeatureView, HistoryTable
from pipelines.extract.lake import PartitionUnit, list_partitions, read_partition, replace_partition
from pipelines.features.views import VIEWS


def write_history(
    lake: str,
    tables: Mapping[HistoryTable, pa.Table],
    until: datetime | None = None,
    unit: PartitionUnit = "month",
    root: str = "history",
) -> str:
    """Write what was recorded before `until` in partitions, as the extraction does."""
    for name, table in tables.items():
        rows = table
        if until is not None:
            rows = rows.filter(pc.less(rows["recorded_at"], pa.scalar(until)))
        rows = rows.sort_by("recorded_at")
        starts = pc.floor_temporal(rows["recorded_at"], unit=unit)
        for start in pc.unique(starts).to_pylist():
            folder = f"{root}/{name.value}"
            replace_partition(
                lake, folder, start.astimezone(UTC), rows.filter(pc.equal(starts, start))
            )
    return lake


def read_view(lake: str, view: FeatureView) -> pa.Table:
    folder = f"features/{view.value}"
    parts = [read_partition(lake, folder, start) for start in list_partitions(lake, folder)]
    return pa.concat_tables([VIEWS[view].schema.empty_table(), *parts])


def files(lake: str, folder: str = "features") -> dict[str, bytes]:
    root = Path(lake)
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in (root / folder).rglob("*.parquet")
    }
