"""Write each key's latest feature row, as known at a watermark, to Feast's online store.

Feast's own materialisation takes the rows whose event time lies in the interval. That loses a
row recorded late, and lets an older row that arrives late replace a newer one. Here a key is
written when anything about it became known in the interval, with the row that the offline join
gives for the end of the interval.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pyarrow as pa
import redis
from feast import FeatureView as FeastView
from feast import RepoConfig
from feast.infra.key_encoding_utils import serialize_entity_key, serialize_entity_key_prefix
from feast.infra.online_stores.helpers import get_online_store_from_config
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP, FeatureView
from pipelines.errors import FeatureStoreError
from pipelines.features.views import VIEWS, ViewSpec
from pipelines.settings import Settings
from pipelines.store.definitions import feast_definitions
from pipelines.store.latest import latest_rows
from pipelines.store.protobuf import entity_keys, values_of
from pipelines.store.repo import repo_config

Progress = Callable[[FeatureView, int, int], None]

_BATCH_ROWS: Final = 2_000


@dataclass(frozen=True)
class Materialized:
    """Keys written per view, and stale entities removed by a materialisation of all keys."""

    rows: Mapping[FeatureView, int]
    removed_count: int


def materialize(
    settings: Settings,
    start: datetime | None,
    end: datetime,
    progress: Progress | None = None,
) -> Materialized:
    """Bring the online store to what was known before `end`.

    Args:
        settings: where lake and Valkey are.
        start: only keys about which something became known in [start, end); None for all keys,
            and then entities that the lake does not have (any more) are removed.
        end: the watermark; aware.
        progress: called with view, rows written and rows to write.

    Raises:
        FeatureStoreError: the interval ends before it starts, or Valkey does not answer.
    """
    if start is not None and start > end:
        raise FeatureStoreError(f"Materialise from {start} to {end}: the start is after the end.")
    config = repo_config(settings)
    views = feast_definitions(settings.lake).views
    online = get_online_store_from_config(config.online_store)
    rows: dict[FeatureView, int] = {}
    written: set[bytes] = set()
    try:
        for spec in VIEWS.values():
            table = latest_rows(settings.lake, spec, start, end)
            rows[spec.name] = table.num_rows
            for offset in range(0, table.num_rows, _BATCH_ROWS):
                batch = table.slice(offset, _BATCH_ROWS)
                keys = _write(online, config, views[spec.name.value], spec, batch)
                if start is None:
                    written.update(_address(config, key) for key in keys)
                if progress is not None:
                    progress(spec.name, offset + batch.num_rows, table.num_rows)
        removed = _remove_others(settings, config, written) if start is None else 0
    except redis.RedisError as err:
        raise FeatureStoreError(
            f"Valkey does not answer ({err}); start the platform, or check WORKCAST_VALKEY_URL."
        ) from err
    return Materialized(rows, removed)


def _write(
    online: OnlineStore, config: RepoConfig, view: FeastView, spec: ViewSpec, batch: pa.Table
) -> list[EntityKey]:
    """Write rows in one round trip; return their keys."""
    keys = entity_keys(
        spec.entity_columns, [batch.column(name).to_pylist() for name in spec.entity_columns]
    )
    # Beside the features goes when the row was known, which Feast does not keep online.
    names = [CREATED_TIMESTAMP, *(column.name for column in spec.columns)]
    columns = [values_of(batch.column(name)) for name in names]
    features = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    events = batch.column(EVENT_TIMESTAMP).to_pylist()
    created = batch.column(CREATED_TIMESTAMP).to_pylist()
    online.online_write_batch(
        config, view, list(zip(keys, features, events, created, strict=True)), None
    )
    return keys


def _address(config: RepoConfig, key: EntityKey) -> bytes:
    """Return the Valkey key under which Feast keeps all views of an entity."""
    version = config.entity_key_serialization_version
    return serialize_entity_key(key, version) + config.project.encode()


def _remove_others(settings: Settings, config: RepoConfig, written: set[bytes]) -> int:
    """Remove the project's entities that were not written."""
    prefixes = {
        serialize_entity_key_prefix(
            list(spec.entity_columns), config.entity_key_serialization_version
        )
        for spec in VIEWS.values()
    }
    with redis.Redis.from_url(settings.valkey) as client:
        patterns = [prefix + b"*" + config.project.encode() for prefix in prefixes]
        stale = [
            key
            for pattern in patterns
            for key in client.scan_iter(pattern, count=10_000)
            if key not in written
        ]
        for offset in range(0, len(stale), _BATCH_ROWS):
            client.unlink(*stale[offset : offset + _BATCH_ROWS])
    return len(stale)
