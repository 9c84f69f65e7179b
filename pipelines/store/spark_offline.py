"""Feast's Spark offline store on the Parquet lake: the class `feature_store.yaml` names there.

The join is Feast's own. Around it stands what its store leaves open: rows come back in the
order and with the types of the entity frame and of the views, as known at each moment by
default, and a view that has no files yet has no rows.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
from feast import FeatureView, OnDemandFeatureView
from feast.infra.offline_stores.contrib.spark_offline_store.spark import (
    SparkOfflineStore,
    SparkOfflineStoreConfig,
    SparkRetrievalJob,
)
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import RepoConfig
from pydantic import Field

from pipelines.errors import FeatureStoreError
from pipelines.features.spark_conf import spark_conf
from pipelines.settings import get_settings
from pipelines.store.job import LakeRetrievalJob
from pipelines.store.join import JoinedView
from pipelines.store.source import joined_view

_ROW: Final = "workcast_row"
# Feast tells rows apart by their keys and time written one after the other, so that the keys
# ("ab", "c") and ("a", "bc") are one; with a separator no text holds they are two.
_JOINED_TEXTS: Final = "CONCAT("
_SEPARATED_TEXTS: Final = r"CONCAT_WS('\u0001', "


class SparkLakeOfflineStoreConfig(SparkOfflineStoreConfig):
    """Settings of the store in `feature_store.yaml`."""

    type: str = "pipelines.store.spark_offline.SparkLakeOfflineStore"
    filter_by_created_timestamp: bool = True
    """Join as known at each moment, unless a call says otherwise."""
    spark_conf: dict[str, str] | None = Field(default_factory=lambda: spark_conf(get_settings()))


class SparkLakeOfflineStore(SparkOfflineStore):
    """Parquet files, joined by Spark; one session for the process."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(  # noqa: PLR0917 - Feast's signature
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool | None = None,
        **_: Any,
    ) -> LakeRetrievalJob:
        """Join features to a frame of keys and moments (inclusive, TTL after the match).

        Feast passes `filter_by_created_timestamp` only when it is true, so None means that the
        store's own setting holds, which is true by default. Moments count in microseconds.

        Raises:
            FeatureStoreError: the entities are no frame; when fetched: a name is taken, or a
                view holds rows that tie on key and both times.
        """
        if not isinstance(entity_df, pd.DataFrame):
            raise FeatureStoreError(
                f"The entities are a {type(entity_df).__name__}; give a pandas DataFrame."
            )
        moments = infer_event_timestamp_from_entity_df(
            dict(zip(entity_df.columns, entity_df.dtypes, strict=True))
        )
        known = filter_by_created_timestamp
        if known is None:
            known = config.offline_store.filter_by_created_timestamp
        joined = [
            joined_view(view, feature_refs, config.repo_path, full_names=full_feature_names)
            for view in feature_views
        ]
        there = {view.name for view in joined if has_files(view.url)}
        asked = _asked(entity_df, moments, [name for view in joined for _, name in view.keys])

        def join() -> pa.Table | None:
            if asked.empty or not there:
                return None
            views = [view for view in feature_views if view.name in there]
            names = {view.projection.name_to_use() for view in views}  # type: ignore[no-untyped-call]
            job = SparkOfflineStore.get_historical_features(
                config,
                views,
                [ref for ref in feature_refs if ref.split(":")[0] in names],
                asked,
                registry,
                project,
                full_feature_names,
                filter_by_created_timestamp=known,
            )
            return _rows(job, asked)

        return LakeRetrievalJob(
            lambda: _appended(entity_df, joined, join),
            config.repo_path,
            RetrievalMetadata(
                features=feature_refs,
                keys=[name for name in entity_df.columns if name != moments],
                min_event_timestamp=_edge(asked[moments].min()),
                max_event_timestamp=_edge(asked[moments].max()),
            ),
            OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            full_feature_names=full_feature_names,
        )

    @staticmethod
    def offline_write_batch(
        config: RepoConfig,
        feature_view: FeatureView,
        table: pa.Table,
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Refuse rows: Feast's store would write beside the lake's partitions.

        Raises:
            FeatureStoreError: always.
        """
        raise FeatureStoreError(
            f"Rows cannot be pushed to {feature_view.name} with WORKCAST_ENGINE=spark; record what "
            "happened in the history and build the features, or push with WORKCAST_ENGINE=duckdb."
        )


def has_files(url: str) -> bool:
    """Say whether a path or pattern of the lake, as Spark or fsspec writes it, matches a file."""
    filesystem, path = fsspec.core.url_to_fs(url)
    return bool(filesystem.glob(path))


def _asked(entity_df: pd.DataFrame, moments: str, keys: Sequence[str]) -> pd.DataFrame:
    """Return row number, keys and moment alone; a copy, because Feast changes what it is given."""
    columns = [*dict.fromkeys(keys), moments]
    missing = [name for name in columns if name not in entity_df.columns]
    if missing:
        raise FeatureStoreError(f"The entity frame lacks the keys {', '.join(missing)}.")
    asked = entity_df[columns].reset_index(drop=True)
    asked[moments] = pd.to_datetime(asked[moments], utc=True).dt.floor("us")
    asked[_ROW] = asked.index.astype("int64")
    return asked


def _rows(job: RetrievalJob, asked: pd.DataFrame) -> pa.Table:
    """Return the joined features in the order of the rows asked for."""
    assert isinstance(job, SparkRetrievalJob)  # noqa: S101 - what Feast's Spark store makes
    job.query = job.query.replace(_JOINED_TEXTS, _SEPARATED_TEXTS)
    frame = job.to_spark_df()
    return frame.drop(*asked.columns.drop(_ROW)).toArrow().sort_by(_ROW)


def _appended(
    entity_df: pd.DataFrame, views: Sequence[JoinedView], join: Callable[[], pa.Table | None]
) -> pa.Table:
    """Append the features to the entity rows, nulls where nothing was joined."""
    result = pa.Table.from_pandas(entity_df, preserve_index=False)
    rows = join()
    if rows is not None and not np.array_equal(rows[_ROW].to_numpy(), np.arange(len(entity_df))):
        raise FeatureStoreError(
            "Spark joined an entity row more than once: a view holds rows that tie on their key, "
            "event_timestamp and created_timestamp. Build the features anew."
        )
    for view in views:
        for (_, name), kind in zip(view.features, view.types, strict=True):
            if name in result.column_names:
                raise FeatureStoreError(
                    f"Feature {name} of view {view.name} has the name of a column that is already "
                    "there; ask for full feature names."
                )
            if rows is not None and name in rows.column_names:
                values = rows[name].cast(kind)
            else:
                values = pa.nulls(result.num_rows, kind)
            result = result.append_column(name, values)
    return result


def _edge(moment: Any) -> datetime | None:
    return None if pd.isna(moment) else pd.Timestamp(moment).to_pydatetime(warn=False)
