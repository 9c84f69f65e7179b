"""Feast's Spark store against our DuckDB store: one lake, one registry, one setting apart."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureStore

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP, Engine, FeatureView
from pipelines.errors import FeatureStoreError
from pipelines.features.views import VIEWS
from pipelines.settings import Settings
from pipelines.store.repo import apply, open_store
from pipelines.store.training_sets import training_set
from tests.store.lake_of_features import ACTIVITIES, PEOPLE, TEAMS, WATERMARK, write_lake

pytestmark = pytest.mark.spark

REFS = [f"{spec.name}:{column.name}" for spec in VIEWS.values() for column in spec.columns]
WORKFLOWS = [f"workflow {n}" for n in range(60)]
KEYS = {"workflow_id": WORKFLOWS, "activity": ACTIVITIES, "person_id": PEOPLE, "team_id": TEAMS}


@pytest.fixture
def stores(settings: Settings, local_master: str) -> tuple[FeatureStore, FeatureStore]:
    """The store on DuckDB and on Spark; of one view the lake has no files."""
    write_lake(settings.lake, workflow_count=len(WORKFLOWS), without=FeatureView.TEAM_LOAD)
    return _both(settings, local_master)


def _both(settings: Settings, master: str) -> tuple[FeatureStore, FeatureStore]:
    on_spark = settings.model_copy(update={"engine": Engine.SPARK, "spark_master": master})
    opened = []
    for one in (settings, on_spark):
        apply(one)
        store = open_store(one)
        store.refresh_registry()
        opened.append(store)
    return opened[0], opened[1]


def _entities(lake: str, count: int, seed: int = 3) -> pd.DataFrame:
    """Moments around the rows' own times and the ends of their lives; unknown and null keys."""
    rng = np.random.default_rng(seed)
    moments = []
    for spec in VIEWS.values():
        folder = Path(lake, "features", spec.name.value)
        for file in sorted(folder.glob("*/part.parquet")):
            rows = pq.ParquetFile(file).read([EVENT_TIMESTAMP, CREATED_TIMESTAMP]).to_pandas()
            life = timedelta(days=spec.ttl_days)
            moments += [
                rows[EVENT_TIMESTAMP],
                rows[CREATED_TIMESTAMP],
                rows[EVENT_TIMESTAMP] + life,
            ]
    drawn = pd.concat(moments).sample(count, random_state=seed).reset_index(drop=True)
    nudge = pd.to_timedelta(rng.choice([-1, 0, 0, 1], count), unit="us")
    frame = pd.DataFrame({"note": rng.normal(size=count), EVENT_TIMESTAMP: drawn + nudge})
    for name, values in KEYS.items():
        frame[name] = rng.choice([*values, "unknown", None], count)
    again = frame.sample(count // 4, random_state=seed)  # the same rows once more
    return pd.concat([frame, again], ignore_index=True)


def _joined(
    stores: tuple[FeatureStore, FeatureStore], settings: Settings, refs: list[str], *, known: bool
) -> tuple[pa.Table, pa.Table]:
    entities = _entities(settings.lake, 400)
    tables = []
    for store in stores:
        store.config.offline_store.filter_by_created_timestamp = known
        job = store.get_historical_features(entities.copy(), refs, full_feature_names=True)
        tables.append(job.to_arrow())
    return tables[0], tables[1]


def assert_same(on_duckdb: pa.Table, on_spark: pa.Table) -> None:
    assert on_spark.schema.equals(on_duckdb.schema)
    different = [n for n in on_duckdb.column_names if not on_spark[n].equals(on_duckdb[n])]
    assert not different


def test_random_rows_are_the_same_on_both_engines(
    stores: tuple[FeatureStore, FeatureStore], settings: Settings
) -> None:
    on_duckdb, on_spark = _joined(stores, settings, REFS, known=True)
    assert_same(on_duckdb, on_spark)
    values = on_duckdb["workflow_progress__event_count"]
    assert 0.2 < values.null_count / len(values) < 0.8, "matches and misses"
    assert on_duckdb["team_load__open_task_count"].null_count == len(values)


def test_without_regard_to_what_was_known(
    stores: tuple[FeatureStore, FeatureStore], settings: Settings
) -> None:
    refs = [ref for ref in REFS if ref.startswith(FeatureView.PERSON_ACTIVITY)]
    on_duckdb, on_spark = _joined(stores, settings, refs, known=False)
    assert_same(on_duckdb, on_spark)
    as_known, _ = _joined(stores[:1] * 2, settings, refs, known=True)
    assert not on_duckdb.equals(as_known)


def test_training_sets_are_the_same_on_both_engines(
    stores: tuple[FeatureStore, FeatureStore], settings: Settings
) -> None:
    rng = np.random.default_rng(5)
    moments = WATERMARK - pd.to_timedelta(rng.uniform(0, 50, 200), unit="D")
    frame = pd.DataFrame(
        {
            "workflow_id": rng.choice(WORKFLOWS, 200),
            EVENT_TIMESTAMP: moments,
        }
    )
    on_duckdb, on_spark = (training_set(store, frame, "remaining_time") for store in stores)
    pd.testing.assert_frame_equal(on_spark, on_duckdb)


def test_keys_that_read_alike_together_are_told_apart(
    settings: Settings, local_master: str
) -> None:
    spec = VIEWS[FeatureView.PERSON_ACTIVITY]
    start = WATERMARK - timedelta(days=1)
    rows = pa.table(
        {
            "person_id": ["ab", "a"],
            "activity": ["c", "bc"],
            EVENT_TIMESTAMP: [start, start],
            CREATED_TIMESTAMP: [start, start],
            "completed_count": [1, 2],
            "last_completed_at": [start, start],
            "relative_speed_ratio": pa.nulls(2, pa.float64()),
        }
    )
    _write_part(settings.lake, spec.name, rows.cast(spec.schema))
    asked = rows.select(["person_id", "activity"]).to_pandas()
    asked[EVENT_TIMESTAMP] = WATERMARK
    refs = [f"{spec.name}:completed_count"]
    for store in _both(settings, local_master):
        counts = store.get_historical_features(asked, refs).to_arrow()["completed_count"]
        assert counts.to_pylist() == [1, 2]


def test_rows_that_tie_on_everything_are_refused(settings: Settings, local_master: str) -> None:
    spec = VIEWS[FeatureView.TEAM_LOAD]
    start = [WATERMARK - timedelta(days=1)] * 2
    columns = {column.name: [1, 2] for column in spec.columns}
    rows = pa.table(
        {"team_id": ["t", "t"], EVENT_TIMESTAMP: start, CREATED_TIMESTAMP: start} | columns
    )
    _write_part(settings.lake, spec.name, rows.cast(spec.schema))
    _, on_spark = _both(settings, local_master)
    asked = pd.DataFrame({"team_id": ["t"], EVENT_TIMESTAMP: [WATERMARK]})
    job = on_spark.get_historical_features(asked, [f"{spec.name}:open_task_count"])
    with pytest.raises(FeatureStoreError, match="tie on their key"):
        job.to_arrow()
    with pytest.raises(FeatureStoreError, match="cannot be pushed to team_load"):
        on_spark.write_to_offline_store(spec.name, rows.to_pandas())


def test_no_rows_asked_for_is_no_rows(
    stores: tuple[FeatureStore, FeatureStore], settings: Settings
) -> None:
    none = _entities(settings.lake, 8).iloc[:0]
    tables = [
        store.get_historical_features(none.copy(), REFS, full_feature_names=True).to_arrow()
        for store in stores
    ]
    assert tables[1].schema.equals(tables[0].schema)
    assert tables[1].num_rows == 0


def _write_part(lake: str, view: FeatureView, rows: pa.Table) -> None:
    folder = Path(lake, "features", view, "interval=2024-02-01")
    folder.mkdir(parents=True)
    pq.write_table(rows, folder / "part.parquet")
