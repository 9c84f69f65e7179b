"""Feast's offline store on the Parquet lake, with DuckDB: the class `feature_store.yaml` names."""

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import FeatureView, OnDemandFeatureView
from feast.data_source import DataSource
from feast.feature_logging import LoggingConfig, LoggingSource
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.infra.offline_stores.file_source import FileLoggingDestination
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.utils import compute_non_entity_date_range

from pipelines.errors import FeatureStoreError
from pipelines.store.entity_rows import frame_rows, query_rows, rows_in_range
from pipelines.store.job import LakeRetrievalJob
from pipelines.store.join import point_in_time_join
from pipelines.store.match import ROWS_PER_QUESTION
from pipelines.store.parquet_write import append_parquet
from pipelines.store.pull import pull_latest_rows, pull_rows
from pipelines.store.scan import duckdb_session, scan_parquet
from pipelines.store.source import joined_view, source_url


class DuckDBLakeOfflineStoreConfig(FeastConfigBaseModel):
    """Settings of the store in `feature_store.yaml`."""

    type: str = "pipelines.store.offline.DuckDBLakeOfflineStore"
    filter_by_created_timestamp: bool = True
    """Join as known at each moment, unless a call says otherwise."""
    rows_per_question: float = ROWS_PER_QUESTION
    """Where the join changes its plan: see `pipelines.store.match`."""
    threads: int | None = None
    memory_limit: str | None = None


class DuckDBLakeOfflineStore(OfflineStore):
    """Parquet files, read in place; one DuckDB for each call."""

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
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> LakeRetrievalJob:
        """Join features to rows of keys and moments; see `pipelines.store.join`.

        Feast passes `filter_by_created_timestamp` only when it is true, so None means that the
        store's own setting holds, which is true by default.

        The entities are a frame; a SELECT in DuckDB's SQL, run at once; or None, which means each
        key with an event in [start_date, end_date] as of `end_date`. Naive dates are UTC; without
        a start it is the longest time-to-live before the end.

        Raises:
            FeatureStoreError: the entities cannot be read, or see `point_in_time_join`.
        """
        views = [
            joined_view(view, feature_refs, config.repo_path, full_names=full_feature_names)
            for view in feature_views
        ]
        known = filter_by_created_timestamp
        if known is None:
            known = config.offline_store.filter_by_created_timestamp
        if isinstance(entity_df, pd.DataFrame):
            entities = frame_rows(entity_df)
        elif isinstance(entity_df, str):
            with _session(config) as connection:
                entities = query_rows(connection, entity_df)
        elif entity_df is None:
            dates = compute_non_entity_date_range(feature_views, start_date, end_date)
            with _session(config) as connection:
                entities = rows_in_range(connection, views, *dates, known=known)
        else:
            raise FeatureStoreError(
                f"The entities are a {type(entity_df).__name__}; give a pandas DataFrame, a "
                "SELECT, or None with a range of dates."
            )

        def query() -> pa.Table:
            with _session(config) as connection:
                return point_in_time_join(
                    connection,
                    entities.table,
                    entities.moment,
                    views,
                    known=known,
                    rows_per_question=config.offline_store.rows_per_question,
                )

        first, last = entities.range()
        return LakeRetrievalJob(
            query,
            config.repo_path,
            RetrievalMetadata(
                features=feature_refs,
                keys=entities.other_columns,
                min_event_timestamp=first,
                max_event_timestamp=last,
            ),
            OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            full_feature_names=full_feature_names,
        )

    @staticmethod
    def pull_latest_from_table_or_query(  # noqa: PLR0917 - Feast's signature
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> LakeRetrievalJob:
        """Pull the latest row of each key with an event time in [start_date, end_date].

        A view without entities has one row for all, under the key that Feast gives it.
        """
        url = source_url(data_source, config.repo_path)
        times = [name for name in (timestamp_field, created_timestamp_column) if name]

        def query() -> pa.Table:
            with _session(config) as connection:
                rows = pull_latest_rows(
                    connection,
                    url,
                    columns=list(dict.fromkeys(join_key_columns + feature_name_columns + times)),
                    keys=join_key_columns,
                    event=timestamp_field,
                    created=created_timestamp_column or None,
                    start=start_date,
                    end=end_date,
                )
            if join_key_columns:
                return rows
            return rows.append_column(DUMMY_ENTITY_ID, pa.array([DUMMY_ENTITY_VAL] * len(rows)))

        return LakeRetrievalJob(query, config.repo_path)

    @staticmethod
    def pull_all_from_table_or_query(  # noqa: PLR0917 - Feast's signature
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> LakeRetrievalJob:
        """Pull every row with an event time in [start_date, end_date]."""
        url = source_url(data_source, config.repo_path)
        times = [name for name in (timestamp_field, created_timestamp_column) if name]
        columns = list(dict.fromkeys(join_key_columns + feature_name_columns + times))

        def query() -> pa.Table:
            with _session(config) as connection:
                return pull_rows(
                    connection, url, columns, event=timestamp_field, start=start_date, end=end_date
                )

        return LakeRetrievalJob(query, config.repo_path)

    @staticmethod
    def offline_write_batch(
        config: RepoConfig,
        feature_view: FeatureView,
        table: pa.Table,
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Add rows to a view's source.

        Raises:
            FeatureStoreError: the columns are not the source's, in their order.
        """
        batch_source = feature_view.batch_source
        url = source_url(batch_source, config.repo_path)
        mapping = batch_source.field_mapping if batch_source is not None else {}
        with _session(config) as connection:
            rows = scan_parquet(connection, url)
            schema = table.schema if rows is None else rows.limit(0).to_arrow_table().schema
        # Feast has already renamed the columns as the field mapping says; the files have not.
        in_file = {new: old for old, new in mapping.items()}
        table = table.rename_columns([in_file.get(name, name) for name in table.column_names])
        if table.column_names != schema.names:
            raise FeatureStoreError(
                f"Rows for {feature_view.name} have the columns {', '.join(table.column_names)}; "
                f"its source has, in this order, {', '.join(schema.names)}."
            )
        append_parquet(url, table.cast(schema))
        if progress is not None:
            progress(table.num_rows)

    @staticmethod
    def write_logged_features(
        config: RepoConfig,
        data: pa.Table | Path,
        source: LoggingSource,
        logging_config: LoggingConfig,
        registry: BaseRegistry,
    ) -> None:
        """Add a feature service's logged rows to its folder.

        Raises:
            FeatureStoreError: the destination is not a folder of files, or is partitioned.
        """
        destination = logging_config.destination
        if not isinstance(destination, FileLoggingDestination) or destination.partition_by:
            raise FeatureStoreError(
                "Features are logged to a FileLoggingDestination without partition_by; "
                f"this is {destination!r}."
            )
        table = data if isinstance(data, pa.Table) else pq.read_table(data)
        append_parquet(source_url(destination.to_data_source(), config.repo_path), table)

    def get_table_column_names_and_types_from_data_source(
        self, config: RepoConfig, data_source: DataSource
    ) -> Iterable[tuple[str, str]]:
        """Return a source's columns and Arrow types; folder names are no columns."""
        with _session(config) as connection:
            rows = scan_parquet(connection, source_url(data_source, config.repo_path))
            if rows is None:
                return []
            schema = rows.limit(0).to_arrow_table().schema
        return [(field.name, str(field.type)) for field in schema]


def _session(config: RepoConfig) -> Any:
    store = config.offline_store
    return duckdb_session(store.threads, store.memory_limit)
