"""Random entity rows and feature files for the benchmark of joins; made with NumPy, untimed."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

FEATURES_PER_VIEW: Final = 4
_START_US: Final = 1_704_067_200_000_000  # 2024-01-01, UTC
_DAY_US: Final = 86_400_000_000
_DAYS: Final = 365
_LATE_SHARE: Final = 0.1
_ROW_GROUP: Final = 122_880  # DuckDB's own, so that every core has some to read


@dataclass(frozen=True)
class JoinSizes:
    """How much to join."""

    entity_rows: int
    feature_rows: int
    entities: int
    views: int
    ttl_days: int

    @property
    def pairs_per_row(self) -> float:
        """About how many entity rows can see a feature row before it expires."""
        return self.entity_rows / self.entities * min(1, self.ttl_days / _DAYS)


def write_join_data(folder: Path, sizes: JoinSizes, seed: int = 1) -> None:
    """Write `entities.parquet` and a file for each view `v0`, `v1`, … of four reals each.

    Events are spread evenly over a year and over the entities, and written in their order. One
    row in ten is created days late, the others within minutes.
    """
    rng = np.random.default_rng(seed)
    for view in range(sizes.views):
        events = np.sort(rng.integers(0, _DAYS * _DAY_US, sizes.feature_rows))
        is_late = rng.random(sizes.feature_rows) < _LATE_SHARE
        delays = rng.exponential(np.where(is_late, 3 * _DAY_US, 60_000_000))
        columns = {
            "entity_id": rng.integers(0, sizes.entities, sizes.feature_rows),
            "event_timestamp": _timestamps(events),
            "created_timestamp": _timestamps(events + delays.astype(np.int64)),
        }
        columns |= {name: rng.random(sizes.feature_rows) for name in feature_names(view)}
        path = folder / f"v{view}" / "part.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(pa.table(columns), path, row_group_size=_ROW_GROUP)
    entities = {
        "row_id": np.arange(sizes.entity_rows),
        "entity_id": rng.integers(0, sizes.entities, sizes.entity_rows),
        "event_timestamp": _timestamps(rng.integers(0, _DAYS * _DAY_US, sizes.entity_rows)),
    }
    pq.write_table(pa.table(entities), folder / "entities.parquet")


def read_entities(folder: Path) -> pd.DataFrame:
    """Return the entity frame; Feast's DuckDB store cannot compare nanoseconds, so microseconds."""
    frame: pd.DataFrame = pq.read_table(folder / "entities.parquet").to_pandas()
    return frame


def feature_names(view: int) -> list[str]:
    """Return the columns of one view, each named once over all views."""
    return [f"v{view}_f{number}" for number in range(FEATURES_PER_VIEW)]


def digest(table: pa.Table, views: int) -> str:
    """Hash the values in the order of the entity rows."""
    table = table.sort_by("row_id")
    hashed = hashlib.sha256(str(table.num_rows).encode())
    for name in (name for view in range(views) for name in feature_names(view)):
        hashed.update(pc.fill_null(table.column(name), -1.0).to_numpy().tobytes())
    return hashed.hexdigest()


def _timestamps(offsets_us: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> pa.Array:
    return pa.array(offsets_us + _START_US, pa.timestamp("us", "UTC"))
