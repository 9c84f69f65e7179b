"""What Feast's objects say about the rows to read: where they lie and how columns map."""

from datetime import timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa
from feast import FeatureView, FileSource
from feast.data_format import ParquetFormat
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY_ID
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
from feast.type_map import feast_value_type_to_pa
from feast.types import FeastType

from pipelines.errors import FeatureStoreError
from pipelines.store.joined_view import JoinedView

PARQUET: Final = "parquet"
_MICROSECOND: Final = timedelta(microseconds=1)


def source_url(source: DataSource | None, repo_path: Path | str | None) -> str:
    """Return the path or URL of a Parquet source, relative paths below the repository.

    Spark's sources are the lake's files too, so that a registry of either engine can be read.

    Raises:
        FeatureStoreError: the source is of another kind, or has its own way into an object store.
    """
    if isinstance(source, SparkSource) and source.path and source.file_format == PARQUET:
        return str(source.path)
    if not isinstance(source, FileSource) or not (
        source.file_format is None or isinstance(source.file_format, ParquetFormat)
    ):
        raise FeatureStoreError(
            f"The source is a {type(source).__name__}; the lake's offline stores read a FileSource "
            "or a SparkSource with Parquet files."
        )
    if source.s3_endpoint_override or source.connection_ref:
        raise FeatureStoreError(
            f"The source {source.name} has an endpoint or a connection of its own; object stores "
            "are reached through fsspec, so set them there, as FSSPEC_S3_ENDPOINT_URL say."
        )
    return str(FileSource.get_uri_for_file_path(repo_path, source.path))


def joined_view(
    view: FeatureView, feature_refs: list[str], repo_path: Path | str | None, *, full_names: bool
) -> JoinedView:
    """Translate one view and the features asked of it (`view:feature`) for the join.

    A field mapping is undone: the files have the source's names. Entity columns follow the
    projection's join key map where it names them, and keep their names where it does not.

    Raises:
        FeatureStoreError: see `source_url`.
    """
    source = view.batch_source
    url = source_url(source, repo_path)
    assert source is not None  # noqa: S101 - source_url refused it
    in_file = {feature: column for column, feature in source.field_mapping.items()}
    prefix = f"{view.projection.name_to_use()}:"  # type: ignore[no-untyped-call]
    features = [ref.removeprefix(prefix) for ref in feature_refs if ref.startswith(prefix)]
    shown = f"{view.projection.name_alias or view.name}__" if full_names else ""
    entity_names = [c.name for c in view.entity_columns if c.name != DUMMY_ENTITY_ID]
    types = {field.name: field.dtype for field in view.features}
    created = source.created_timestamp_column or None
    return JoinedView(
        name=view.name,
        url=url,
        keys=tuple(
            (in_file.get(name, name), view.projection.join_key_map.get(name, name))
            for name in entity_names
        ),
        features=tuple((in_file.get(name, name), f"{shown}{name}") for name in features),
        types=tuple(_arrow_type(types[name]) for name in features),
        event=in_file.get(source.timestamp_field, source.timestamp_field),
        created=in_file.get(created, created) if created else None,
        ttl_us=view.ttl // _MICROSECOND if view.ttl else 0,
    )


def _arrow_type(declared: FeastType) -> pa.DataType:
    kind = feast_value_type_to_pa(declared.to_value_type(), timestamp_unit="us")
    return pa.timestamp("us", "UTC") if pa.types.is_timestamp(kind) else kind
