"""Feast's feature store as the settings say: open it, and register what the code defines."""

import json
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import yaml
from feast import Entity, FeatureService, FeatureStore, FeatureView, RepoConfig
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY_NAME

from pipelines.contracts import Engine
from pipelines.errors import FeatureStoreError, SettingsError
from pipelines.features.spark_conf import require_spark, spark_conf
from pipelines.settings import Settings
from pipelines.store.definitions import feast_definitions

_REPOSITORY: Final = Path(__file__).resolve().parents[2] / "feature_repo"
_DEFAULT_PORT: Final = 6379
_OFFLINE_STORES: Final = {
    Engine.DUCKDB: "pipelines.store.offline.DuckDBLakeOfflineStore",
    Engine.SPARK: "pipelines.store.spark_offline.SparkLakeOfflineStore",
}


@dataclass(frozen=True)
class Applied:
    """What `apply` left in the registry, by name, and what it removed from it."""

    entities: tuple[str, ...]
    views: tuple[str, ...]
    services: tuple[str, ...]
    removed: tuple[str, ...]


def repo_config(settings: Settings) -> RepoConfig:
    """Read `feature_store.yaml`, its variables filled from the settings, not the environment.

    Raises:
        SettingsError: the Valkey URL cannot be written as Feast wants it, or the engine is Spark
            and it is not installed.
    """
    if settings.engine is Engine.SPARK:
        require_spark()
    values = {
        "WORKCAST_FEAST_REGISTRY_URL": settings.feast_registry.render_as_string(
            hide_password=False
        ),
        "WORKCAST_VALKEY_CONNECTION_STRING": connection_string(settings.valkey),
        "WORKCAST_OFFLINE_STORE": _OFFLINE_STORES[settings.engine],
    }
    raw = _filled(yaml.safe_load((_REPOSITORY / "feature_store.yaml").read_text()), values)
    if settings.engine is Engine.SPARK:
        raw["offline_store"]["spark_conf"] = spark_conf(settings)
    config = RepoConfig(**raw)
    config.repo_path = _REPOSITORY
    return config


def open_store(settings: Settings) -> FeatureStore:
    """Open the feature store: registry, offline and online store as `feature_store.yaml` says.

    Raises:
        FeatureStoreError: the registry's database does not answer.
        SettingsError: see `repo_config`.
    """
    store = FeatureStore(config=repo_config(settings))
    try:
        store.registry  # noqa: B018 - connects on first access
    except Exception as err:
        url = settings.feast_registry.render_as_string()
        raise FeatureStoreError(
            f"Feast's registry at {url} cannot be opened ({err}); start the platform, or check "
            "WORKCAST_FEAST_REGISTRY_URL."
        ) from err
    return store


def apply(settings: Settings) -> Applied:
    """Register all definitions and remove what is no longer defined; a rerun changes nothing.

    Raises:
        FeatureStoreError, SettingsError: see `open_store`.
    """
    store = open_store(settings)
    defined = feast_definitions(settings.lake, settings.engine)
    gone: list[FeatureView | FeatureService | Entity | DataSource] = [
        *(s for s in store.list_data_sources() if s.name not in defined.sources),
        *(v for v in store.list_feature_views() if v.name not in defined.views),
        *(s for s in store.list_feature_services() if s.name not in defined.services),
        *(
            e
            for e in store.list_entities()
            if e.name not in {entity.name for entity in defined.entities.values()}
            and e.name != DUMMY_ENTITY_NAME
        ),
    ]
    store.apply(defined.objects, objects_to_delete=[*gone], partial=False)
    return Applied(
        entities=tuple(entity.name for entity in defined.entities.values()),
        views=tuple(defined.views),
        services=tuple(defined.services),
        removed=tuple(thing.name for thing in gone),
    )


def connection_string(url: str) -> str:
    """Write a `redis://` or `rediss://` URL as Feast wants it: `host:port,db=0,password=…`.

    Raises:
        SettingsError: another protocol, or a name or password with a comma.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
        raise SettingsError(
            f"WORKCAST_VALKEY_URL has the protocol {parts.scheme!r}; give redis://host:port/0."
        )
    options: dict[str, Any] = {"db": int(parts.path.strip("/") or 0)}
    if parts.username:
        options["username"] = unquote(parts.username)
    if parts.password:
        options["password"] = unquote(parts.password)
    if parts.scheme == "rediss":
        options["ssl"] = True
    if any("," in str(value) for value in options.values()):
        raise SettingsError(
            "WORKCAST_VALKEY_URL has a comma in its name or password, which Feast cannot take; "
            "choose another."
        )
    # Feast reads each value as JSON.
    written = [f"{name}={json.dumps(value)}" for name, value in options.items()]
    return ",".join([f"{parts.hostname}:{parts.port or _DEFAULT_PORT}", *written])


def _filled(raw: Any, values: dict[str, str]) -> Any:
    """Fill the variables of every text below `raw`."""
    if isinstance(raw, dict):
        return {name: _filled(value, values) for name, value in raw.items()}
    return Template(raw).substitute(values) if isinstance(raw, str) else raw
