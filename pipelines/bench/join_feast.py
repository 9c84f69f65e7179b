"""Point-in-time joins through Feast's own call, with Workcast's offline store or Feast's."""

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.data_format import ParquetFormat
from feast.types import Float64, Int64

from pipelines.bench.join_data import JoinSizes, feature_names, read_entities

OURS: Final = {"type": "pipelines.store.offline.DuckDBLakeOfflineStore"}
HINDSIGHT: Final = OURS | {"filter_by_created_timestamp": False}
STOCK: Final = {"type": "duckdb"}


def feast_join(
    folder: Path, sizes: JoinSizes, offline_store: dict[str, Any]
) -> Callable[[], pa.Table]:
    """Prepare Feast's own call on a store of its own, its registry in a file."""
    config = RepoConfig(
        project="bench",
        provider="local",
        registry=str(Path(tempfile.mkdtemp(dir=folder)) / "registry.db"),
        online_store=None,
        offline_store=offline_store,
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    entity = Entity(name="entity", join_keys=["entity_id"], value_type=ValueType.INT64)
    views = [
        FeatureView(
            name=f"v{view}",
            entities=[entity],
            ttl=timedelta(days=sizes.ttl_days),
            schema=[
                Field(name="entity_id", dtype=Int64),
                *(Field(name=name, dtype=Float64) for name in feature_names(view)),
            ],
            source=FileSource(
                path=str(folder / f"v{view}" / "part.parquet"),
                file_format=ParquetFormat(),
                timestamp_field="event_timestamp",
                created_timestamp_column="created_timestamp",
            ),
        )
        for view in range(sizes.views)
    ]
    store.apply([entity, *views])
    refs = [f"v{view}:{name}" for view in range(sizes.views) for name in feature_names(view)]
    entities = read_entities(folder)

    def join() -> pa.Table:
        return store.get_historical_features(entities, refs).to_arrow()

    return join
