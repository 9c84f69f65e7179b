"""Read the features of running workflows from Feast's online store, as the offline join gives.

Two steps, as in training: the workflow's progress first, then the views that its last activity,
person and team are the keys of. Feast ignores time-to-live online; here it holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import pandas as pd
import pyarrow as pa
import redis
from feast.infra.online_stores.helpers import get_online_store_from_config
from feast.protos.feast.types.Value_pb2 import Value

from pipelines.contracts import CREATED_TIMESTAMP, FeatureView
from pipelines.errors import FeatureStoreError
from pipelines.features.views import VIEWS, ViewSpec, qualified
from pipelines.history.schema import TIMESTAMP
from pipelines.settings import Settings
from pipelines.store.definitions import feast_definitions
from pipelines.store.frames import typed_frame
from pipelines.store.protobuf import array_of, entity_keys
from pipelines.store.repo import repo_config
from pipelines.store.training_sets import AS_OF, DERIVED_KEYS, WORKFLOW_ID

_PROGRESS: Final = FeatureView.WORKFLOW_PROGRESS
_STATUS: Final = FeatureView.WORKFLOW_STATUS
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MISSING: Final = Value()


@dataclass(frozen=True)
class _Row:
    """One key's row: when it was known and its features; neither once it has expired."""

    known_at: datetime | None
    features: dict[str, Value]


_NO_ROW: Final = _Row(None, {})


@dataclass(frozen=True)
class _Rows:
    """A view's rows for some keys: a column for each feature; None where there is no row."""

    is_found: list[bool]
    known_at: list[datetime | None]
    columns: dict[str, pa.Array]


class OnlineReader:
    """Reads feature services from the online store; make one for each process."""

    def __init__(self, settings: Settings) -> None:
        definitions = feast_definitions(settings.lake)
        self._config = repo_config(settings)
        self._online = get_online_store_from_config(self._config.online_store)
        self._views = definitions.views
        self._services = {
            name: [FeatureView(view.name) for view in service.feature_view_projections]
            for name, service in definitions.services.items()
        }

    def read(self, workflow_ids: Sequence[str], service: str, as_of: datetime) -> pd.DataFrame:
        """Read the features of workflows, one row each in the order asked for.

        Args:
            workflow_ids: may repeat.
            service: name of a feature service.
            as_of: now, in the data's time (the watermark): rows past their time-to-live then
                count as missing.

        Returns:
            workflow_id, as_of, is_known (false: no such workflow), is_closed and closed_at (NA
            where unknown), features_known_at (when the workflow's progress was known; NaT
            without it), activity, person_id, team_id, then the features as `training_set` names
            and types them.

        Raises:
            FeatureStoreError: no such service, or Valkey does not answer.
        """
        if service not in self._services:
            raise FeatureStoreError(
                f"No feature service {service!r}; there are {', '.join(sorted(self._services))}."
            )
        try:
            return typed_frame(self._read(list(workflow_ids), self._services[service], as_of))
        except redis.RedisError as err:
            raise FeatureStoreError(
                f"Valkey does not answer ({err}); start the platform, or check WORKCAST_VALKEY_URL."
            ) from err

    def _read(self, ids: list[str], views: list[FeatureView], as_of: datetime) -> pa.Table:
        progress = self._rows(VIEWS[_PROGRESS], [ids], as_of)
        status = self._rows(VIEWS[_STATUS], [ids], as_of)
        keys = {key: progress.columns[source].to_pylist() for key, source in DERIVED_KEYS.items()}
        columns: dict[str, pa.Array] = {
            WORKFLOW_ID: pa.array(ids, pa.string()),
            AS_OF: pa.array([as_of] * len(ids), TIMESTAMP),
            "is_known": pa.array(
                [a or b for a, b in zip(progress.is_found, status.is_found, strict=True)]
            ),
            "is_closed": status.columns["is_closed"],
            "closed_at": status.columns["closed_at"],
            "features_known_at": pa.array(progress.known_at, TIMESTAMP),
            **{key: pa.array(values, pa.string()) for key, values in keys.items()},
        }
        for name in views:
            spec = VIEWS[name]
            rows = (
                progress
                if name is _PROGRESS
                else self._rows(spec, [keys[key] for key in spec.entity_columns], as_of)
            )
            for column, values in rows.columns.items():
                columns[qualified(name, column)] = values
        return pa.table(columns)

    def _rows(self, spec: ViewSpec, keys: Sequence[Sequence[str | None]], as_of: datetime) -> _Rows:
        """Read a view's rows; those past their time-to-live are found but have no values."""
        asked = list(zip(*keys, strict=True))
        whole = list(dict.fromkeys(key for key in asked if None not in key))
        found: dict[tuple[str | None, ...], _Row] = {}
        if whole:
            answers = self._online.online_read(
                self._config,
                self._views[spec.name.value],
                entity_keys(spec.entity_columns, list(zip(*whole, strict=True))),
                [*(column.name for column in spec.columns), CREATED_TIMESTAMP],
            )
            for key, (event, values) in zip(whole, answers, strict=True):
                # Feast answers 1970 for a key that is not there.
                if event is not None and values is not None and event > _EPOCH:
                    found[key] = _row(spec, event, values, as_of)
        rows = [found.get(key, _NO_ROW) for key in asked]
        return _Rows(
            is_found=[row is not _NO_ROW for row in rows],
            known_at=[row.known_at for row in rows],
            columns={
                column.name: array_of(
                    [row.features.get(column.name, _MISSING) for row in rows], column.dtype
                )
                for column in spec.columns
            },
        )


def _row(spec: ViewSpec, event: datetime, values: dict[str, Value], as_of: datetime) -> _Row:
    if spec.ttl_days and event + timedelta(days=spec.ttl_days) < as_of:
        return _Row(None, {})
    created = _EPOCH + timedelta(microseconds=values[CREATED_TIMESTAMP].int64_val)
    return _Row(max(event, created), values)
