"""Feast's retrieval job around a query that runs when its rows are asked for."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
from feast import OnDemandFeatureView
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.saved_dataset import SavedDatasetStorage

from pipelines.store.parquet_write import replace_parquet
from pipelines.store.source import source_url


class LakeRetrievalJob(RetrievalJob):
    """Rows of the lake, fetched anew at each call; on-demand features are Feast's own work."""

    def __init__(
        self,
        query: Callable[[], pa.Table],
        repo_path: Path | None,
        metadata: RetrievalMetadata | None = None,
        on_demand_feature_views: list[OnDemandFeatureView] | None = None,
        *,
        full_feature_names: bool = False,
    ) -> None:
        self._query = query
        self._repo_path = repo_path
        self._metadata = metadata
        self._on_demand_feature_views = on_demand_feature_views or []
        self._full_feature_names = full_feature_names

    @property
    def full_feature_names(self) -> bool:
        """Whether features are called `view__feature`."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """On-demand views to compute on the rows."""
        return self._on_demand_feature_views

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """Features, keys and time range of a historical retrieval; None of a pull."""
        return self._metadata

    def persist(
        self,
        storage: SavedDatasetStorage,
        allow_overwrite: bool = False,
        timeout: int | None = None,
    ) -> None:
        """Write the rows, on-demand features included, to a saved dataset's place.

        Raises:
            SavedDatasetLocationAlreadyExists: the place is taken and may not be overwritten.
        """
        url = source_url(storage.to_data_source(), self._repo_path)
        try:
            replace_parquet(url, self.to_arrow(timeout=timeout), allow_overwrite=allow_overwrite)
        except FileExistsError:
            raise SavedDatasetLocationAlreadyExists(location=url) from None

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        frame: pd.DataFrame = self._query().to_pandas()
        return frame

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return self._query()
