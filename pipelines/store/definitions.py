"""Feast's objects, made from the feature views' data so that nothing is written twice."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import pyarrow as pa
from feast import Entity, FeatureService, FeatureView, Field, FileSource, Project, ValueType
from feast.data_format import ParquetFormat
from feast.data_source import DataSource
from feast.feast_object import FeastObject
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
from feast.types import Bool, FeastType, Float64, Int64, String, UnixTimestamp

from pipelines import contracts
from pipelines.contracts import (
    CREATED_TIMESTAMP,
    EVENT_TIMESTAMP,
    FEATURE_MODELS,
    FEATURES_FOLDER,
    Engine,
)
from pipelines.features.spark_conf import spark_path
from pipelines.features.views import VIEWS, FeatureColumn, ViewSpec
from pipelines.history.schema import TIMESTAMP
from pipelines.store.source import PARQUET

PROJECT: Final = "workcast"

_VALUE_TYPES: Final[dict[pa.DataType, ValueType]] = {
    pa.string(): ValueType.STRING,
    pa.int64(): ValueType.INT64,
}
_FIELD_TYPES: Final[dict[pa.DataType, FeastType]] = {
    pa.string(): String,
    pa.int64(): Int64,
    pa.float64(): Float64,
    pa.bool_(): Bool,
    TIMESTAMP: UnixTimestamp,
}

# What a model may read. The status of a workflow is the answer itself, never an input.
MODEL_VIEWS: Final = (
    contracts.FeatureView.WORKFLOW_PROGRESS,
    contracts.FeatureView.ACTIVITY_STATS,
    contracts.FeatureView.PERSON_WORKLOAD,
    contracts.FeatureView.PERSON_ACTIVITY,
    contracts.FeatureView.TEAM_LOAD,
)


@dataclass(frozen=True)
class Definitions:
    """Everything that is registered, by name."""

    project: Project
    entities: dict[str, Entity]
    views: dict[str, FeatureView]
    services: dict[str, FeatureService]

    @property
    def sources(self) -> set[str]:
        """Names of the views' sources."""
        return {view.batch_source.name for view in self.views.values() if view.batch_source}

    @property
    def objects(self) -> list[FeastObject]:
        """All objects, as `FeatureStore.apply` takes them."""
        return [
            self.project,
            *self.entities.values(),
            *self.views.values(),
            *self.services.values(),
        ]


def feast_definitions(lake: str, engine: Engine = Engine.DUCKDB) -> Definitions:
    """Make Feast's entities, views and services over the feature files below `lake`.

    The engine only says how Feast calls the files: its Spark store wants a source of its own.

    Raises:
        SettingsError: the engine is Spark and knows no such protocol.
    """
    keys = {column.name: column for spec in VIEWS.values() for column in spec.entities}
    entities = {name: _entity(column) for name, column in keys.items()}
    views = {spec.name.value: _view(spec, entities, lake, engine) for spec in VIEWS.values()}
    services = {
        model.value: FeatureService(
            name=model.value,
            features=[views[name.value] for name in MODEL_VIEWS],
            description=f"What the model {model.value} reads from the feature store.",
        )
        for model in FEATURE_MODELS
    }
    project = Project(name=PROJECT, description="Features of workflows, people and teams.")
    return Definitions(project, entities, views, services)


def _entity(column: FeatureColumn) -> Entity:
    # An entity is called as what it identifies; its key as the column.
    return Entity(
        name=column.name.removesuffix("_id"),
        join_keys=[column.name],
        value_type=_VALUE_TYPES[column.dtype],
        description=column.description,
    )


def _source(spec: ViewSpec, lake: str, engine: Engine) -> DataSource:
    folder = f"{lake.rstrip('/')}/{FEATURES_FOLDER}/{spec.name.value}"
    common: dict[str, Any] = {
        "timestamp_field": EVENT_TIMESTAMP,
        "created_timestamp_column": CREATED_TIMESTAMP,
    }
    if engine is Engine.DUCKDB:
        name = f"{spec.name.value}_files"
        return FileSource(name=name, path=folder, file_format=ParquetFormat(), **common)
    # A name of its own: Feast cannot replace a source by one of another kind.
    name = f"{spec.name.value}_spark_files"
    # A pattern: Spark would also read files that are still being written beside them.
    path = f"{spark_path(folder)}/interval=*/*.parquet"
    return SparkSource(name=name, path=path, file_format=PARQUET, **common)


def _view(spec: ViewSpec, entities: dict[str, Entity], lake: str, engine: Engine) -> FeatureView:
    return FeatureView(
        name=spec.name.value,
        entities=[entities[name] for name in spec.entity_columns],
        ttl=timedelta(days=spec.ttl_days),
        schema=[
            Field(
                name=column.name,
                dtype=_FIELD_TYPES[column.dtype],
                description=column.description,
            )
            for column in (*spec.entities, *spec.columns)
        ],
        source=_source(spec, lake, engine),
        online=True,
    )
