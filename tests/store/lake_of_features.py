"""A small random lake of features: late rows, corrections, nulls and rows long expired."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP, FeatureView
from pipelines.features.views import VIEWS, FeatureColumn, ViewSpec
from pipelines.history.schema import TIMESTAMP

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 60
WATERMARK = FIRST + timedelta(days=DAYS)
ACTIVITIES = [f"activity {i}" for i in range(6)]
PEOPLE = [f"person {i}" for i in range(8)]
TEAMS = [f"team {i}" for i in range(3)]


def write_lake(lake: str, workflow_count: int = 200, seed: int = 1, without: str = "") -> list[str]:
    """Write all views (but `without`) below `lake`; return the workflows' ids."""
    rng = np.random.default_rng(seed)
    workflows = [f"workflow {i}" for i in range(workflow_count)]
    values = {
        "workflow_id": workflows,
        "activity": ACTIVITIES,
        "person_id": PEOPLE,
        "team_id": TEAMS,
        "last_activity": ACTIVITIES,
        "last_person_id": PEOPLE,
        "last_team_id": TEAMS,
    }
    for spec in VIEWS.values():
        if spec.name.value != without:
            _write_view(Path(lake), spec, values, rng, 6 * workflow_count)
    return workflows


def _write_view(
    lake: Path, spec: ViewSpec, values: dict[str, list[str]], rng: np.random.Generator, count: int
) -> None:
    # A few rows are so old that their time-to-live is over at the watermark.
    days = rng.uniform(0, DAYS + 5, count) - 800 * (rng.random(count) < 0.1)
    events = [FIRST + timedelta(days=float(d)) for d in days]
    late = rng.choice([0, 0, 0, 1, 20], count) * rng.random(count)
    created = [e + timedelta(days=float(d)) for e, d in zip(events, late, strict=True)]
    columns = {
        column.name: _column(column, values, rng, count)
        for column in (*spec.entities, *spec.columns)
    }
    columns[EVENT_TIMESTAMP] = pa.array(events, TIMESTAMP)
    columns[CREATED_TIMESTAMP] = pa.array(created, TIMESTAMP)
    table = pa.table({name: columns[name] for name in spec.schema.names})
    months = pd.Series(created).dt.strftime("%Y-%m-01")
    for month in sorted(set(months)):
        folder = lake / "features" / spec.name.value / f"interval={month}"
        folder.mkdir(parents=True, exist_ok=True)
        part = table.filter(pa.array((months == month).to_numpy())).cast(spec.schema)
        pq.write_table(part, folder / "part.parquet")


def _column(
    column: FeatureColumn, values: dict[str, list[str]], rng: np.random.Generator, count: int
) -> pa.Array:
    mask = (rng.random(count) < 0.2) if column.nullable else np.zeros(count, dtype=bool)
    if column.dtype == pa.string():
        words = values.get(column.name, ["", "ä ö", '{"a": 1}'])
        return pa.array(rng.choice(words, count).astype(object), pa.string(), mask=mask)
    if column.dtype == pa.int64():
        return pa.array(rng.integers(0, 2**60, count), mask=mask)
    if column.dtype == pa.bool_():
        return pa.array(rng.random(count) < 0.5, mask=mask)
    if column.dtype == TIMESTAMP:
        return pa.array(rng.integers(0, 2**51, count), mask=mask).cast(TIMESTAMP)
    return pa.array(rng.normal(size=count), mask=mask)


def event_moments(lake: str) -> pd.DataFrame:
    """Return workflow_id and event_timestamp of every row of workflow_progress."""
    folder = Path(lake) / "features" / FeatureView.WORKFLOW_PROGRESS.value
    table = pa.concat_tables(
        pq.ParquetFile(path).read(["workflow_id", EVENT_TIMESTAMP])
        for path in sorted(folder.glob("*/part.parquet"))
    )
    return table.to_pandas()
